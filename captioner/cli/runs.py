"""`captioner runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.progress import console


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds runs, also in folders of its own.")] = Path("runs"),
) -> None:
    """List runs: data, parts, best score, epoch, when they were last written, and whether they are finished."""
    from captioner.commands import runs as command

    console.print(command.table(folder))
    console.print(
        "best: CIDEr-D x100 of a validation, unless another score is named; more: log.jsonl, settings.yaml",
        soft_wrap=True,
    )
