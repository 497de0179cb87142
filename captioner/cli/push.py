"""`captioner push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import first_use, long_work
from captioner.progress import console


def push(
    run: Annotated[Path, typer.Argument(help="Folder of a run or of a packed model, such as runs/demo.")],
    name: Annotated[str, typer.Argument(help="owner/name on the Hugging Face hub.")],
    private: Annotated[bool, typer.Option("--private", help="Only you see a new model.")] = False,
) -> None:
    """Upload a model to the Hugging Face hub. A run is packed first. Needs `hf auth login`, or HF_TOKEN."""
    from captioner.commands import push as command

    with long_work() as report:
        address = command.push(run, name, private, report)
    console.print(f"uploaded: {address}", soft_wrap=True)
    console.print(f"next: {first_use(run, 'hf://' + name.removeprefix('hf://'))}", soft_wrap=True)
