"""`captioner.show`: captions where one looks at them. In Jupyter a page in which one points at words, elsewhere the sheet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from captioner.encoders.preprocess import as_rgb, open_photo
from captioner.search.result import Caption
from captioner.visualize.drawing import Drawing
from captioner.visualize.overlay import Style
from captioner.visualize.page import PageItem, caption_page
from captioner.visualize.sheet import contact, sheet

if TYPE_CHECKING:
    from captioner.visualize.widget import HoverWidget

Photo = str | Path | Image.Image
_HINT = "<small>pip install 'captioner[notebook]' makes this a widget: as high as it needs, and Python hears the word</small>"


@dataclass(frozen=True)
class Framed:
    """A page in a frame, for notebooks without widgets."""

    page: str
    sheet: Drawing
    height: int  # pixels of the screen

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        frame = f'<iframe srcdoc="{escape(self.page)}" style="width:100%;height:{self.height}px;border:0"></iframe>'
        return {"text/html": frame + _HINT, "image/png": self.sheet._repr_png_()}


def show(
    captions: Caption | Sequence[Caption], photo: Photo | Sequence[Photo], smooth: bool = False
) -> HoverWidget | Framed | Drawing:
    """Show captions with their photos.

    >>> captioner.show(caption, photo="beach.jpg")
    >>> captioner.show(model.captions(paths), photo=paths)

    Args:
        photo: The caption's, or one for each of several captions, in their order: files or pictures.
        smooth: Draw maps between the regions' centres, which pictures then say; the page's own switch changes it.

    Returns:
        In Jupyter a widget, or a page in a frame where anywidget is missing; else the sheet, to be saved or painted
        (`.save("sheet.pdf")`, `.picture()`).

    Raises:
        ValueError: not as many photos as captions, or a photo is not the one that its caption was made for.
    """
    captions = [captions] if isinstance(captions, Caption) else list(captions)
    photos = [photo] if isinstance(photo, (str, Path, Image.Image)) else list(photo)
    if not captions or len(captions) != len(photos):
        raise ValueError(
            f"show() needs a photo for each caption, got {len(captions)} captions and {len(photos)} photos; "
            "give as many of the one as of the other"
        )
    names = [Path(str(each)).name if isinstance(each, (str, Path)) else "photo" for each in photos]
    opened = [as_rgb(each) if isinstance(each, Image.Image) else open_photo(each) for each in photos]
    items = [PageItem(*each) for each in zip(opened, captions, names, strict=True)]
    drawing = _sheet(items, Style(smooth=smooth))
    if not in_jupyter():
        return drawing
    page = caption_page(items, smooth)
    if find_spec("anywidget") is None:
        return Framed(page, drawing, 520 if len(items) == 1 else 800)
    from captioner.visualize.widget import HoverWidget

    return HoverWidget(page, drawing)


def in_jupyter() -> bool:
    """Whether a notebook's kernel runs this: Jupyter's, Colab's or an editor's, not IPython in a terminal."""
    running = sys.modules.get("IPython")
    return running is not None and hasattr(running.get_ipython(), "kernel")


def _sheet(items: Sequence[PageItem], style: Style) -> Drawing:
    if len(items) == 1:
        return sheet(items[0].photo, items[0].caption, style)
    return contact([sheet(item.photo, item.caption, style, item.name) for item in items])
