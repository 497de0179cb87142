"""Image captioning with attention: a CNN sees regions, a decoder looks at them word by word, and every caption says where.

>>> import captioner
>>> caption = captioner.load("runs/demo").caption("picture.png")
>>> caption.text, caption.weights.shape
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioner.build import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is first asked for, since it brings the whole package."""
    if name == "load":
        from captioner.build import load

        return load
    raise AttributeError(f"module 'captioner' has no attribute {name!r}")
