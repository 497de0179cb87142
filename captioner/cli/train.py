"""`captioner train`."""

from __future__ import annotations

from captioner.cli.options import Config, Overrides, long_work


def train(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Train a model from a config. Run the same command again to resume.

    `captioner settings` lists every setting with its default.
    """
    from captioner.commands import train as command

    with long_work() as report:
        command.train(config, overrides or [], report)
