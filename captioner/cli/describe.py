"""`captioner describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, model_and_overrides
from captioner.progress import console


def describe(
    config: Annotated[
        str | None,
        typer.Argument(
            help="Config, such as configs/drawn.yaml, or folder of a model. Default: natural, the bundled model.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    receptive_field: Annotated[
        bool,
        typer.Option(
            "--receptive-field",
            help="Measure how many pixels a region depends on, too. Downloads the encoder's weights if they are not on the disk.",
        ),
    ] = False,
) -> None:
    """Show the model of a config or of a folder: each part with its file, its parameters and the shapes of its tensors."""
    if config is not None and config.endswith((".yaml", ".yml")):
        from captioner.readers import find_config

        find_config(Path(config))  # before torch is imported
    from captioner.commands import describe as command

    chosen, changes = model_and_overrides(config, overrides)
    parts, notes = command.describe(chosen, changes)
    console.print(command.table(parts))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    for line in command.describe_field(chosen, changes) if receptive_field else []:
        console.print(line, soft_wrap=True)
