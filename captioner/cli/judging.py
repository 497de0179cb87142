"""Commands that judge: a run on a split, captions in files, and attention."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, Run, long_work
from captioner.errors import UserError
from captioner.progress import Reporter, console

Instances = Annotated[Path | None, typer.Option(help="objects of the photos, as COCO has them: adds CHAIR")]
Java = Annotated[bool, typer.Option(help="score METEOR and SPICE where they can run")]
Clip = Annotated[
    str | None, typer.Option(help="a CLIP model's folder, or its name in the cache of transformers: adds CLIPScore")
]
_TOKENS = "what cuts captions into words: ptb (coco-caption's), simple, whitespace, characters"


def evaluate(
    run: Run,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="train, val, test, or another split of the data")] = "val",
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="another run that writes with this one, as an ensemble; may stand several times"),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(help=f"{_TOKENS}; ptb unless the model writes characters, or words that came tokenised"),
    ] = None,
    instances: Instances = None,
    java: Java = True,
    clip: Clip = None,
    page: Annotated[
        bool, typer.Option(help="write report.html: every photo with its caption and maps, worst first")
    ] = True,
) -> None:
    """Decode a split, score it, and write results.json, scores.json and report.html into the run's folder."""
    from captioner import evaluation

    with long_work() as report:
        found = evaluation.evaluate(
            run,
            split,
            overrides or [],
            report,
            java=java,
            tokens=tokens,
            instances=instances,
            others=others or [],
            clip=clip,
        )
    if found.rows:
        evaluation.print_scores(found, java)
    else:
        console.print(f"{split} has no references: captions were written, and not scored")
    if page:
        evaluation.save_page(found)
    console.print(f"written: {found.folder}/", soft_wrap=True)


def score(
    results: Annotated[Path, typer.Argument(help="captions in COCO's result format: a list of image_id and caption")],
    captions: Annotated[Path, typer.Argument(help="references: a captions file as COCO has them")],
    against: Annotated[
        Path | None,
        typer.Option(help="another result file: differences of all scores, with 95 % intervals, paired by photo"),
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="training captions, for a baseline and the share of new captions")
    ] = None,
    tokens: Annotated[str, typer.Option(help=_TOKENS)] = "ptb",
    instances: Instances = None,
    java: Java = True,
    clip: Clip = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="score captioned photos alone; others may lack captions")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="write scores, intervals and protocol here")] = None,
    page: Annotated[Path | None, typer.Option(help="write out.html: every photo, worst first")] = None,
    photos: Annotated[Path | None, typer.Option(help="the folder of photos, for the page and for --clip")] = None,
) -> None:
    """Score any model's captions against references, alone or against another model's."""
    from captioner import evaluation, metrics
    from captioner.photos import silent

    if photos is not None and page is None and clip is None:
        raise UserError("--photos are for the page or for --clip, got neither; give --page out.html too")
    with Reporter() if clip is not None else nullcontext(silent) as report:
        found = evaluation.score_files(
            results, captions, train, tokens, against, instances, subset, java, clip=clip, photos=photos, report=report
        )
    evaluation.print_scores(found, java)
    if json is not None:
        metrics.save_scores(json, found.rows, found.protocol, found.intervals, found.differences())
        console.print(f"written: {json}", soft_wrap=True)
    if page is not None:
        evaluation.save_page_of_files(page, found, captions, photos)
        console.print(f"written: {page}", soft_wrap=True)


def inspect(
    run: Run,
    instances: Annotated[Path, typer.Option(help="what the photos hold: an instances file as COCO has them")],
    overrides: Overrides = None,
    captions: Annotated[
        Path | None, typer.Option(help="references; instances_x.json finds captions_x.json beside it")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="the photos; the folder images beside the instances unless told")
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="measure on outlines; boxes unless told")] = False,
    words: Annotated[
        Path | None, typer.Option(help='a json of further words for categories: {"dog": ["hound"]}')
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="look at so many photos alone, the first by their ids")
    ] = None,
) -> None:
    """Attention as numbers: is it right, does it matter, and what is it like? Writes inspect.json and inspect.png."""
    from captioner import inspection

    with long_work() as report:
        request = inspection.Request(instances, captions, images, masks, words, first)
        card = inspection.inspect(run, request, overrides or [], report)
    inspection.save(card)
    for table in inspection.tables(card):
        console.print(table)
    console.print(card.verdict, soft_wrap=True)
    console.print(f"written: {card.folder}/inspect.json and .png", soft_wrap=True)
