"""`captioner pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, first_use, long_work
from captioner.progress import console


def pack(
    run: Annotated[Path, typer.Argument(help="Run folder, such as runs/demo.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the packed model; it is created.")],
    overrides: Overrides = None,
    trained_on: Annotated[
        str, typer.Option(help="Names of the training data, for the model card. Default: those of the data's folders.")
    ] = "",
    photos: Annotated[
        bool, typer.Option(help="Look at training photos, so that the model can say which photos are unlike them.")
    ] = True,
) -> None:
    """Make a small copy of a trained model, to share: weights in half precision, settings, words and a model card.

    It is used like a run folder, and needs neither the training data nor a network.
    """
    from captioner.commands import pack as command

    with long_work() as report:
        size = command.pack(run, folder, overrides or [], report, trained_on, photos)
    console.print(f"written: {folder}/, {size / 1e6:.1f} MB; its README.md is the model card", soft_wrap=True)
    console.print(f"next: {first_use(folder, str(folder))}", soft_wrap=True)
