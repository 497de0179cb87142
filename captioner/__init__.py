"""Image captioning with attention: an encoder turns a photo into regions, and a decoder attends to them for each word.

>>> import captioner
>>> caption = captioner.load().caption("photo.jpg")
>>> caption.text, caption.weights.shape
>>> captioner.show(caption, photo="photo.jpg")
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

from captioner.files import VERSION

if TYPE_CHECKING:
    from captioner.builder import load
    from captioner.commands.caption.accounts import explained
    from captioner.visualize.notebook import show

__version__ = VERSION
__all__ = ["__version__", "explained", "load", "show"]


class _MovedModules(MetaPathFinder):
    """Finds modules under their earlier paths; the last finder, so that it is asked for missing modules only."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("captioner.") or fullname == "captioner.moved":
            return None
        from captioner.moved import spec_of

        return spec_of(fullname)


sys.meta_path.append(_MovedModules())


def __getattr__(name: str) -> Any:
    """`explained`, `load` and `show` are imported on first use, since they need the whole package; earlier modules, with a warning."""
    if name == "load":
        from captioner.builder import load

        return load
    if name == "explained":
        from captioner.commands.caption.accounts import explained

        return explained
    if name == "show":
        from captioner.visualize.notebook import show

        return show
    if PathFinder.find_spec(f"{__name__}.{name}", __path__) is not None:  # about to be imported
        raise AttributeError(f"module 'captioner' has no attribute {name!r}")
    from captioner.moved import earlier_module

    return earlier_module(name)
