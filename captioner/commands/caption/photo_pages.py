"""One HTML page of photos with their captions, by one model or by several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from captioner.captioner import Captioner
from captioner.commands.caption.photos import Captioned
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.progress import console
from captioner.search import Caption
from captioner.visualize.overlay import USUAL, Style
from captioner.visualize.page import PageItem, check_name, save_page

_ON_ONE_PAGE = 100  # 30 MB of large photos


def check(photos: Sequence[Path], page: Path) -> None:
    """Refuse a page that cannot be written, before anything is captioned."""
    check_name(page)
    if len(photos) > _ON_ONE_PAGE:
        raise UserError(f"one page holds up to {_ON_ONE_PAGE} photos, got {len(photos)}; give fewer photos at a time")


def write(
    path: Path,
    models: Mapping[str, Captioner],
    by_model: Mapping[str, Captioned],
    style: Style | None = None,
    explain: str = "attention",
) -> None:
    """Write the page. The first model's captions come first.

    Args:
        path: of the page.
        models: by name.
        by_model: each model's captions of the same photos.
        style: of maps; the default style if not given.
        explain: what is shown of each word, one of `accounts.EXPLAINED`.
    """
    photos = [photo for photo, _ in next(iter(by_model.values()))]

    def item(number: int, photo: Path) -> PageItem:
        picture = open_photo(photo)
        first, *others = (
            item_of(captioner, picture, by_model[name][number][1], photo.name, [explain], style, name)
            for name, captioner in models.items()
        )
        return replace(first, beside=others)

    save_page(path, (item(number, photo) for number, photo in enumerate(photos)), style=style or USUAL)
    console.print(f"written: {path}", soft_wrap=True)


def item_of(
    captioner: Captioner,
    photo: Image.Image,
    captions: list[Caption],
    name: str,
    explain: Sequence[str] = (),
    style: Style | None = None,
    model: str = "",
) -> PageItem:
    """A photo with a model's captions, the best first, whose words are explained in some of the ways of `accounts.EXPLAINED`."""
    accounts = {}
    for way in explain:
        if way != "attention":
            from captioner.commands.caption.accounts import explained

            accounts |= explained(captioner, photo, captions[0], way, style or USUAL)
    return PageItem(photo, captions[0], name, captions, accounts, model)
