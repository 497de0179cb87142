"""`captioner demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, long_work


def demo(
    overrides: Overrides = None,
    folder: Annotated[Path, typer.Option(help="Folder of what is written.")] = Path("runs"),
    train: Annotated[
        bool, typer.Option("--train", help="Instead, draw pictures, train on them, and caption new ones; some minutes.")
    ] = False,
) -> None:
    """Caption the example photos with the bundled model, and show where it attends."""
    from captioner.commands import demo as command

    if not train:
        command.run(folder, overrides or [])
        return
    with long_work() as report:
        command.train(folder, overrides or [], report)
