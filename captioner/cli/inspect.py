"""`captioner inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, Run, long_work
from captioner.progress import console


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
    from captioner.commands import inspect as command

    with long_work() as report:
        request = command.Request(instances, captions, images, masks, words, first)
        card = command.inspect(run, request, overrides or [], report)
    command.save(card)
    for table in command.tables(card):
        console.print(table)
    console.print(card.verdict, soft_wrap=True)
    console.print(f"written: {card.folder}/inspect.json and .png", soft_wrap=True)
