"""`captioner score`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import TOKENS_HELP, Clip, Instances, Java
from captioner.errors import UserError
from captioner.progress import TerminalReport, console


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
    tokens: Annotated[str, typer.Option(help=TOKENS_HELP)] = "ptb",
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
    from captioner import metrics
    from captioner.commands import score as command
    from captioner.progress import silent

    if photos is not None and page is None and clip is None:
        raise UserError("--photos are for the page or for --clip, got neither; give --page out.html too")
    with TerminalReport() if clip is not None else nullcontext(silent) as report:
        found = command.score_files(
            results, captions, train, tokens, against, instances, subset, java, clip=clip, photos=photos, report=report
        )
    command.print_scores(found, java)
    if json is not None:
        metrics.save_scores(json, found.rows, found.protocol, found.intervals, found.differences())
        console.print(f"written: {json}", soft_wrap=True)
    if page is not None:
        command.save_page_of_files(page, found, captions, photos)
        console.print(f"written: {page}", soft_wrap=True)
