"""`captioner demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, long_work


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the runs of the demo.")] = Path("runs"),
    overrides: Overrides = None,
) -> None:
    """Draw pictures, train on them, and caption pictures that the model has never seen."""
    from captioner.commands import demo as command

    with long_work() as report:
        command.run(folder, overrides or [], report)
