"""A first look: captions of the example photos by the bundled model, or training on drawn pictures.

example_photos.py  captions, sheet and page of the photos in examples/
demonstration.py   `--train`: draws pictures, trains on them, and measures captions and maps on pictures that were not in training
"""

from captioner.commands.demo.demonstration import run as train
from captioner.commands.demo.example_photos import run

__all__ = ["run", "train"]
