"""Image captioning with attention: a CNN sees regions, a decoder looks at them word by word, and every caption says where.

>>> import captioner
>>> caption = captioner.load("runs/demo").caption("picture.png")
>>> caption.text, caption.weights.shape
>>> captioner.show(caption, photo="picture.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from captioner.files import VERSION

if TYPE_CHECKING:
    from captioner.builder import load
    from captioner.visualize.notebook import show

__version__ = VERSION
__all__ = ["__version__", "load", "show"]


def __getattr__(name: str) -> Any:
    """`load` and `show`, imported when they are first asked for, since they bring the whole package."""
    if name == "load":
        from captioner.builder import load

        return load
    if name == "show":
        from captioner.visualize.notebook import show

        return show
    raise AttributeError(f"module 'captioner' has no attribute {name!r}")
