"""`captioner describe`."""

from __future__ import annotations

from captioner.cli.options import Config, Overrides
from captioner.progress import console


def describe(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Say what a config becomes: each part, its file, its parameters, and the shapes that flow through it."""
    from captioner.commands import describe as command

    found, notes = command.describe(config, overrides or [])
    console.print(command.table(found))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
