"""Draw pictures, train on them, and measure captions and maps on pictures that were not in training.

demonstration.py does all of it.
"""

from captioner.commands.demo.demonstration import run

__all__ = ["run"]
