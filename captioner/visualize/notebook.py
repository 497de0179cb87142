"""`captioner.show`: captions in Jupyter as an interactive page, elsewhere as a sheet."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from captioner.encoders.preprocess import Photo, open_photo
from captioner.search.result import Caption
from captioner.visualize.drawing import Drawing
from captioner.visualize.overlay import USUAL, Style
from captioner.visualize.page import PageItem, caption_page
from captioner.visualize.sheet import contact, sheet
from captioner.visualize.strips import SMALL, side_by_side

if TYPE_CHECKING:
    from captioner.visualize.widget import HoverWidget

_HINT = "<small>pip install 'captioner[notebook]' makes this a widget that fits its height and tells Python the word</small>"


@dataclass(frozen=True)
class Framed:
    """A page in a frame, for notebooks without anywidget."""

    page: str
    sheet: Drawing
    height: int  # in pixels of the screen

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        frame = f'<iframe srcdoc="{escape(self.page)}" style="width:100%;height:{self.height}px;border:0"></iframe>'
        return {"text/html": frame + _HINT, "image/png": self.sheet._repr_png_()}


def show(
    captions: Caption | Sequence[Caption] | Mapping[str, Caption],
    photo: Photo | Sequence[Photo],
    smooth: bool = False,
    style: Style = USUAL,
    accounts: Mapping[str, tuple[Caption, str]] | None = None,
) -> HoverWidget | Framed | Drawing:
    """Show captions with their photos.

    Examples:
        >>> captioner.show(caption, photo="beach.jpg")
        >>> captioner.show(model.captions(paths), photo=paths)
        >>> captioner.show({"soft": caption, "multi-head": other}, photo="beach.jpg")  # two models, side by side

    Args:
        captions: a caption; several; or captions of one photo by the name of their model.
        photo: a file or an image; for several captions, one for each, in the same order.
        style: of maps, such as `captioner.Style(kind="cells", words="all")`. The page has a switch for it.
        smooth: interpolate maps between the regions' centres, as noted below the picture. The page has a switch for it.
        accounts: of one caption's words, made by `captioner.explained`, which the page shows side by side.

    Returns:
        In Jupyter a widget, or a page in a frame if anywidget is not installed. Elsewhere the sheet, which can be saved or painted
        (`.save("sheet.pdf")`, `.picture()`).

    Raises:
        ValueError: the numbers of photos and captions differ, or a photo is not the one of its caption.
    """
    if isinstance(captions, Mapping):
        _check_captions([*captions.values()])
        return _shown([_of_models(captions, photo, accounts)], replace(style, smooth=smooth or style.smooth))
    captions, photos = _listed(captions, Caption), _listed(photo, (str, Path, Image.Image))
    _check_captions(captions)
    opened = [open_photo(photo) for photo in photos]
    if not captions or len(captions) != len(photos):
        raise ValueError(
            f"show() needs a photo for each caption, got {len(captions)} captions and {len(photos)} photos; "
            "give one photo for each caption"
        )
    names = [Path(str(photo)).name if isinstance(photo, (str, Path)) else "photo" for photo in photos]
    if accounts and len(captions) > 1:
        raise ValueError(f"show() takes accounts of one caption, got {len(captions)} captions; show them one by one")
    _check_accounts(accounts or {})
    items = [PageItem(*item, accounts=accounts or {}) for item in zip(opened, captions, names, strict=True)]
    return _shown(items, replace(style, smooth=smooth or style.smooth))


def _listed(given: Any, one: Any) -> list[Any]:
    """A list of what was given: one thing or several. What is neither becomes a list of itself, and is refused later."""
    several = isinstance(given, Iterable) and not isinstance(given, (str, one))
    return list(given) if several else [given]


def _check_captions(captions: Sequence[object]) -> None:
    """Refuse anything but captions, such as their texts."""
    odd = [caption for caption in captions if not isinstance(caption, Caption)]
    if odd:
        raise TypeError(
            f"show() needs captions as model.caption() returns them, or {{name: caption}}, got {odd[0]!r}; caption the photo first"
        )


def _check_accounts(accounts: object) -> None:
    """Refuse anything but what `captioner.explained` returns."""
    entries = accounts.values() if isinstance(accounts, Mapping) else [accounts]
    if not all(isinstance(entry, tuple) and isinstance(entry[0], Caption) for entry in entries):
        raise TypeError(f"show() needs accounts as captioner.explained() returns them, got {accounts!r}; call it first")


def _of_models(captions: Mapping[str, Caption], photo: Photo | Sequence[Photo], accounts: object) -> PageItem:
    """One photo with the captions of several models."""
    if not captions or accounts or not isinstance(photo, (str, Path, Image.Image)):
        raise ValueError(
            "show() of several models needs {name: caption} with at least one caption, one photo and no accounts; "
            "show accounts of one caption at a time"
        )
    name, opened = "photo" if isinstance(photo, Image.Image) else Path(photo).name, open_photo(photo)
    first, *others = (PageItem(opened, caption, name, model=model) for model, caption in captions.items())
    return replace(first, beside=others)


def _shown(items: Sequence[PageItem], style: Style) -> HoverWidget | Framed | Drawing:
    drawing = _sheet(items, style)
    if not in_jupyter():
        return drawing
    page = caption_page(items, style=style, inside=True)
    try:
        from captioner.visualize.widget import HoverWidget
    except Exception:  # anywidget is not installed, or is broken, which raises many kinds
        return Framed(page, drawing, 520 if len(items) == 1 else 800)
    return HoverWidget(page, drawing)


def in_jupyter() -> bool:
    """Whether this runs in a notebook: Jupyter, Colab or an editor, but not IPython in a terminal."""
    running = sys.modules.get("IPython")
    return running is not None and hasattr(running.get_ipython(), "kernel")


def _sheet(items: Sequence[PageItem], style: Style) -> Drawing:
    if items[0].beside:
        captions = {item.model: item.caption for item in [items[0], *items[0].beside]}
        return side_by_side(items[0].photo, captions, replace(style, panel=SMALL.panel))
    if items[0].accounts:
        accounts = {name: account for name, (account, _) in items[0].accounts.items()}
        notes = {name: note for name, (_, note) in items[0].accounts.items()}
        return side_by_side(items[0].photo, accounts, replace(style, panel=SMALL.panel), notes)
    if len(items) == 1:
        return sheet(items[0].photo, items[0].caption, style)
    return contact([sheet(item.photo, item.caption, style, item.name) for item in items])
