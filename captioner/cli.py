"""The commands: `python -m captioner ...`, and what `train.py` and `eval.py` call.

A UserError is printed in one line and ends with status 2; a stop on request ends with 130 and goes on where it stopped.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from captioner.allocation import keep_memory
from captioner.errors import UserError
from captioner.progress import Reporter, console, errors

app = typer.Typer(
    help="Image captioning with attention: train, caption, see where it looked.",
    no_args_is_help=True,
    add_completion=False,
)

Scale = Enum("Scale", {"caption": "caption", "word": "word"})
Overrides = Annotated[list[str] | None, typer.Argument(help="settings to change: section.key=value ...")]
Instances = Annotated[Path | None, typer.Option(help="objects of the photos, as COCO has them: adds CHAIR")]
Java = Annotated[bool, typer.Option(help="score METEOR and SPICE where they can run")]
Clip = Annotated[
    str | None, typer.Option(help="a CLIP model's folder, or its name in the cache of transformers: adds CLIPScore")
]
_TOKENS = "what cuts captions into words: ptb (coco-caption's), simple, whitespace, characters"


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="a YAML of settings, such as configs/drawn.yaml")],
    overrides: Overrides = None,
) -> None:
    """Train as a config says; the same command again goes on where it stopped."""
    from captioner import runs

    with _long_work() as report:
        runs.train(config, overrides or [], report)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="the folder that training wrote, such as runs/demo")],
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

    with _long_work() as report:
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


@app.command()
def doctor(
    config: Annotated[Path, typer.Argument(help="a YAML of settings, such as configs/drawn.yaml")],
    overrides: Overrides = None,
) -> None:
    """Check a data set before training on it: photos, captions, splits, vocabulary. Ends with status 1 where something is bad."""
    from captioner import photos

    with Reporter() as report:
        findings, sizes = photos.diagnose(config, overrides or [], report)
    for name, value in sizes.items():
        shown = ", ".join(f"{split} {count:,}" for split, count in value.items()) if isinstance(value, dict) else value
        console.print(f"{name}: {shown}", soft_wrap=True)
    for finding in findings:
        mark = "[red]bad[/]  " if finding.bad else "[yellow]note[/] "
        share = f"{finding.count:,} of {finding.of:,} ({finding.count / max(1, finding.of):.1%})"
        console.print(f"{mark}{finding.what}: {share}", soft_wrap=True)
        for example in finding.examples:
            console.print(f"       {example}", soft_wrap=True, markup=False)
    if not findings:
        console.print("nothing to say against it")
    if any(finding.bad for finding in findings):
        sys.exit(1)


@app.command()
def describe(
    config: Annotated[Path, typer.Argument(help="a YAML of settings, such as configs/drawn.yaml")],
    overrides: Overrides = None,
) -> None:
    """Say what a config becomes: each part, its file, its parameters, and the shapes that flow through it."""
    from captioner import describe as parts

    found, notes = parts.describe(config, overrides or [])
    console.print(parts.table(found))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)


@app.command()
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


@app.command()
def caption(
    photos: Annotated[list[str], typer.Argument(help="photos: files, folders, or patterns such as 'trip/*.jpg'")],
    model: Annotated[
        list[Path], typer.Option(help="the folder that training wrote, such as runs/demo; several write as an ensemble")
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(help="draw each word's map over the photo: out.png, out.pdf, or a folder"),
    ] = None,
    strip: Annotated[
        Path | None, typer.Option(help="draw small maps over the words: out.png, out.pdf or a folder")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="draw the maps of each head for each word: out.png, out.pdf or a folder")
    ] = None,
    gif: Annotated[Path | None, typer.Option(help="word after word as an animation: out.gif or a folder")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="another model's folder, drawn beside the first on the sheet; may be repeated"),
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="draw maps smoothly, which pictures then say, not cell by cell")
    ] = False,
    scale: Annotated[
        Scale, typer.Option(help="what a picture's colours span: the caption's largest weight, or each word's own")
    ] = Scale.caption,
    page: Annotated[
        Path | None,
        typer.Option(
            help="write out.html: point at a word to see its map; heads, and the other captions that decoding found"
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write a table: photo, caption, confidence")] = None,
    json: Annotated[Path | None, typer.Option(help="write words, log-probabilities and maps")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="change decoding: search.max_length=12"),
    ] = None,
) -> None:
    """Caption photos that the model has never seen. Ends with status 1 where some of several photos could not be read."""
    from captioner import build, captioning
    from captioner.visualize.overlay import Style

    if beside and sheet is None:
        raise UserError("--beside draws models on one sheet; say where with --sheet out.png")
    asked = {"sheet": sheet, "strip": strip, "heads": heads, "gif": gif}
    wanted = {option: path for option, path in asked.items() if path is not None}
    others = {str(run): build.load(run, overrides=override or []) for run in beside or []}
    style = Style(smooth=smooth, scale=scale.value)
    found = build.load(model, overrides=override or [])
    if captioning.run(found, photos, wanted, csv, json, page, others, style, name=" + ".join(map(str, model))):
        sys.exit(1)


@app.command()
def serve(
    model: Annotated[Path, typer.Option(help="the folder that training wrote, such as runs/demo")],
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 for all who reach this machine")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="the first free one from 7860 unless given")] = None,
) -> None:
    """Try a model on a web page; needs gradio, which the extra `demo` brings."""
    from captioner import serve as pages

    pages.run(model, host, port)


@app.command()
def compare(
    config: Annotated[Path, typer.Argument(help="the recipe that all share, such as configs/compare_drawn.yaml")],
    overrides: Overrides = None,
    attention: Annotated[
        str,
        typer.Option(
            help="kind, kind:score or decoder/kind, with commas: soft:dot,multi_head+heads=4,transformer+layers=2/multi_head"
        ),
    ] = "soft:additive,soft:dot,multi_head",
    seeds: Annotated[int, typer.Option(min=1, help="runs of each")] = 3,
    split: Annotated[str, typer.Option(help="splits to score on, with commas")] = "val",
    folder: Annotated[Path | None, typer.Option(help="where runs and table are written")] = None,
) -> None:
    """Train kinds of attention on one recipe and compare them; the same command again goes on where it stopped."""
    from captioner import comparison

    where = folder or Path("runs") / config.stem
    names, splits = comparison.check_names(attention), [name.strip() for name in split.split(",")]
    with _long_work() as report:
        lines = comparison.compare(config, names, seeds, where, splits, overrides or [], report)
    comparison.save(where, lines, config)
    shown = comparison.table(lines)
    if console.measure(shown).maximum <= console.width:
        console.print(shown)
    else:  # a narrow window would cut every number off
        console.print((where / "comparison.md").read_text(encoding="utf-8"), soft_wrap=True, markup=False)
    console.print(f"written: {where}/comparison.md, .json and .png", soft_wrap=True)


@app.command()
def inspect(
    run: Annotated[Path, typer.Argument(help="the folder that training wrote, such as runs/demo")],
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
) -> None:
    """Attention as numbers: is it right, does it matter, and what is it like? Writes inspect.json and inspect.png."""
    from captioner import inspection

    with _long_work() as report:
        request = inspection.Request(instances, captions, images, masks, words)
        card = inspection.inspect(run, request, overrides or [], report)
    inspection.save(card)
    for table in inspection.tables(card):
        console.print(table)
    console.print(card.verdict, soft_wrap=True)
    console.print(f"written: {card.folder}/inspect.json and .png", soft_wrap=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="where the demo's runs are written")] = Path("runs"),
    overrides: Overrides = None,
) -> None:
    """Draw pictures, train on them, and look at captions of pictures that the model has never seen."""
    from captioner import demo as show

    with _long_work() as report:
        show.run(folder, overrides or [], report)


@contextmanager
def _long_work() -> Iterator[Reporter]:
    """Progress on the terminal, and memory that is kept for the next step."""
    keep_memory()
    with Reporter() as report:
        yield report


def main(command: Callable[[], object] = app) -> NoReturn:
    """Run a command and turn its end into an exit status."""
    from captioner.training.loop import Interrupted

    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # Pillow's; such photos get an error of ours
    try:
        command()
    except UserError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}; nothing half-written is left", soft_wrap=True)
        sys.exit(2)
    except (Interrupted, KeyboardInterrupt):
        errors.print("stopped; the same command goes on from the last checkpoint")
        sys.exit(130)
    sys.exit(0)


def _plain(text: str) -> str:
    """Text whose brackets rich does not take for styles."""
    from rich.markup import escape

    return escape(" ".join(text.split()))
