"""Image captioning with attention: an encoder turns a photo into regions, and a decoder attends to them for each word.

>>> import captioner
>>> caption = captioner.load().caption("photo.jpg")
>>> caption.text, caption.weights.shape
>>> captioner.show(caption, photo="photo.jpg")
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

from captioner.files import VERSION

if TYPE_CHECKING:
    from captioner.builder import load
    from captioner.commands.caption.accounts import explained
    from captioner.commands.compare.comparison import compare
    from captioner.commands.demo.example_photos import example_photos
    from captioner.commands.doctor.diagnosis import diagnose
    from captioner.commands.train.training_run import train
    from captioner.data.drawn import drawn
    from captioner.encoders.preprocess import open_photo
    from captioner.visualize.maps import map_on_photo
    from captioner.visualize.notebook import show
    from captioner.visualize.overlay import Style
    from captioner.visualize.sheet import sheet
    from captioner.visualize.strips import heads, side_by_side, strip

__version__ = VERSION
__all__ = [
    "Style",
    "__version__",
    "compare",
    "diagnose",
    "drawn",
    "example_photos",
    "explained",
    "heads",
    "load",
    "map_on_photo",
    "open_photo",
    "sheet",
    "show",
    "side_by_side",
    "strip",
    "train",
]
_MODULES = {
    "Style": "visualize.overlay",
    "compare": "commands.compare.comparison",
    "diagnose": "commands.doctor.diagnosis",
    "drawn": "data.drawn",
    "example_photos": "commands.demo.example_photos",
    "explained": "commands.caption.accounts",
    "heads": "visualize.strips",
    "load": "builder",
    "map_on_photo": "visualize.maps",
    "open_photo": "encoders.preprocess",
    "sheet": "visualize.sheet",
    "show": "visualize.notebook",
    "side_by_side": "visualize.strips",
    "strip": "visualize.strips",
    "train": "commands.train.training_run",
}
"""Where the public names are defined."""


class _MovedModules(MetaPathFinder):
    """Finds modules under their earlier paths; the last finder, so that it is asked for missing modules only."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("captioner.") or fullname == "captioner.moved":
            return None
        from captioner.moved import spec_of

        return spec_of(fullname)


sys.meta_path.append(_MovedModules())


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, since they need the whole package; earlier modules, with a warning."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    if PathFinder.find_spec(f"{__name__}.{name}", __path__) is not None:  # about to be imported
        raise AttributeError(f"module 'captioner' has no attribute {name!r}")
    from captioner.moved import earlier_module

    return earlier_module(name)
