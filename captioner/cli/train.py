"""`captioner train`."""

from __future__ import annotations

from captioner.cli.options import Config, Overrides, long_work


def train(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Train as a config says; the same command again goes on where it stopped."""
    from captioner.commands import train as command

    with long_work() as report:
        command.train(config, overrides or [], report)
