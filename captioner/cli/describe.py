"""`captioner describe`."""

from __future__ import annotations

from captioner.cli.options import Config, Overrides
from captioner.progress import console


def describe(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Show the model of a config: each part with its file, its parameters and the shapes of its tensors."""
    from captioner.commands import describe as command

    parts, notes = command.describe(config, overrides or [])
    console.print(command.table(parts))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
