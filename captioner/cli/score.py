"""`captioner score`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import MostPixels, Overwrite
from captioner.cli.options import TOKENS_HELP, Clip, Instances, Java
from captioner.errors import UserError
from captioner.files import unfinished
from captioner.progress import TerminalReport, console, print_note


def score(
    results: Annotated[Path, typer.Argument(help="Captions in COCO's result format: a list of image_id and caption.")],
    captions: Annotated[Path, typer.Argument(help="References, in COCO's captions format.")],
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another result file. Adds the difference of each score with its 95 % interval, paired by photo."
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Training captions. Adds a baseline and the share of new captions.")
    ] = None,
    tokens: Annotated[str, typer.Option(help=f"{TOKENS_HELP}.")] = "ptb",
    instances: Instances = None,
    java: Java = True,
    clip: Clip = None,
    subset: Annotated[bool, typer.Option("--subset", help="Score only the photos that have captions.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write scores, intervals and protocol to this file.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write out.html: every photo, worst first.")] = None,
    overwrite: Overwrite = False,
    photos: Annotated[Path | None, typer.Option(help="Folder of the photos, for --page and --clip.")] = None,
    most_pixels: MostPixels = None,
) -> None:
    """Score a file of captions against references, and compare it with another file."""
    from captioner import metrics
    from captioner.commands import score as command
    from captioner.commands.outputs import check_outputs
    from captioner.progress import silent

    if photos is not None and page is None and clip is None:
        raise UserError("--photos is used by --page and --clip, got neither; give --page out.html too")
    if photos is not None and not photos.is_dir():
        raise UserError(f"--photos needs the folder of the photos, got {photos}, which is none; check the path")
    check_outputs({".json": json, ".html": page}, [], [results, captions, train, against, instances], overwrite)
    for file in filter(None, [results, against]):
        if left := unfinished(file.parent):
            print_note(left)
    with TerminalReport() if clip is not None else nullcontext(silent) as report:
        system = command.score_files(
            results, captions, train, tokens, against, instances, subset, java, clip=clip, photos=photos, report=report
        )
    command.print_scores(system, java)
    if json is not None:
        metrics.save_scores(json, system.rows, system.protocol, system.intervals, system.differences())
        console.print(f"written: {json}", soft_wrap=True)
    if page is not None:
        command.save_page_of_files(page, system, captions, photos)
        console.print(f"written: {page}", soft_wrap=True)
