"""Draw pictures, train on them, and measure captions and maps on pictures never seen."""

from captioner.commands.demo.demonstration import run

__all__ = ["run"]
