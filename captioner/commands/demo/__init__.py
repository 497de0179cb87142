"""Draw pictures, train on them, and measure captions and maps on pictures that were not in training."""

from captioner.commands.demo.demonstration import run

__all__ = ["run"]
