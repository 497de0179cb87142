"""Image captioning with attention: an encoder turns a photo into regions, and a decoder attends to them for each word.

>>> import captioner
>>> caption = captioner.load("runs/demo").caption("picture.png")
>>> caption.text, caption.weights.shape
>>> captioner.show(caption, photo="picture.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from captioner import moved
from captioner.files import VERSION

if TYPE_CHECKING:
    from captioner.builder import load
    from captioner.visualize.notebook import show

__version__ = VERSION
__all__ = ["__version__", "load", "show"]

moved.install()


def __getattr__(name: str) -> Any:
    """`load` and `show` are imported on first use, since they need the whole package; earlier names of modules give the new ones."""
    if name == "load":
        from captioner.builder import load

        return load
    if name == "show":
        from captioner.visualize.notebook import show

        return show
    if name in moved.MOVED:
        return import_module(f"captioner.{name}")
    raise AttributeError(f"module 'captioner' has no attribute {name!r}")
