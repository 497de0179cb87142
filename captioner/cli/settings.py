"""`captioner settings`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from captioner.progress import console


def settings(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A section (run), a kind (attention.kind=soft) or a key (run.monitor). Default: everything."
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/settings.md.")] = False,
) -> None:
    """List the settings of configs and command lines, with type, default and meaning."""
    from captioner.commands import settings as command

    if markdown:
        sys.stdout.write(command.page())
        return
    for table in command.tables(name):
        console.print(table)
