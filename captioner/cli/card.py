"""`captioner card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import MostPixels
from captioner.progress import console


def card(
    run: Annotated[Path, typer.Argument(help="Folder of a run or of a packed model, such as runs/demo.")],
    trained_on: Annotated[
        str, typer.Option(help="Names of the training data. Default: those of the data's folders.")
    ] = "",
    photo: Annotated[
        list[str] | None, typer.Option(help="A photo to show with its caption and maps. Repeatable.")
    ] = None,
    most_pixels: MostPixels = None,
) -> None:
    """Write a model card, README.md, into a run: data, recipe, parts, scores with intervals, and headings for what you know."""
    from captioner.commands import pack as command

    console.print(f"written: {command.card(run, trained_on, photo or ())}", soft_wrap=True)
