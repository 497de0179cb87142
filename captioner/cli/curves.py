"""`captioner curves`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import Overwrite


def curves(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of training runs, such as runs/demo; also of running ones.")
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(help="File to write: .png, .pdf or .svg. Repeatable. Default: curves.png.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw training curves of runs: losses, validation scores, entropy of maps, distinct captions."""
    from captioner.commands import curves as command

    command.run(runs, out or [Path("curves.png")], overwrite)
