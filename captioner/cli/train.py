"""`captioner train`."""

from __future__ import annotations

from typing import Annotated

import typer

from captioner.cli import MostPixels
from captioner.cli.options import Config, Overrides, long_work


def train(
    config: Config,
    overrides: Overrides = None,
    change: Annotated[
        bool,
        typer.Option(
            "--change",
            help="Go on with a run whose settings of optimiser, schedule, objective, search, run or log were others, "
            "train a finished one for more epochs, or go on without best weights that were lost.",
        ),
    ] = False,
    most_pixels: MostPixels = None,
) -> None:
    """Train a model from a config. Run the same command again to resume.

    `captioner settings` lists every setting with its default.
    """
    from captioner.readers import find_config

    find_config(config)  # before torch is imported
    from captioner.commands import train as command

    with long_work() as report:
        command.train(config, overrides or [], report, change)
