"""The page as a notebook widget that tells Python which word is pointed at. Needs anywidget (the extra `notebook`)."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import anywidget
import traitlets

from captioner.visualize.drawing import Drawing


class HoverWidget(anywidget.AnyWidget):
    """Point at a word to see its map.

    Examples:
        >>> widget = captioner.show(caption, photo="beach.jpg")
        >>> widget.observe(lambda change: print(caption.words[change.new]), "word")

    Where no widget can run, for example in a notebook on GitHub, the sheet is shown instead.
    """

    _esm = (files("captioner.visualize") / "web" / "widget.js").read_text(encoding="utf-8")
    page = traitlets.Unicode().tag(sync=True)
    item = traitlets.Int(0).tag(sync=True)  # index of the photo, or of the model, that was last pointed at
    word = traitlets.Int(-1).tag(sync=True)  # index of the word that is pointed at; -1 for none

    def __init__(self, page: str, sheet: Drawing):
        super().__init__(page=page)
        self.sheet = sheet

    def __repr__(self) -> str:
        return f"HoverWidget over {self.sheet!r}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"image/png": self.sheet._repr_png_()}, metadata
