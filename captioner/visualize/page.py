"""Captions as one HTML file: point at a word, and the photo shows where the decoder attended for it, or at a region of the photo.

The file is self-contained and loads nothing from outside. web/ holds its parts, which the notebook widget and `captioner serve` use too.
Maps look as on a sheet, in the same styles. The page also shows accounts of a caption side by side, heads, and the candidates of decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from PIL import Image

from captioner.encoders.preprocess import in_colour
from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.search.result import Caption
from captioner.visualize.maps import check_photo
from captioner.visualize.overlay import USUAL, Style
from captioner.visualize.payload import as_data, caption_data, document, embedded, largest, largest_drawn

LARGEST = 1_000_000
"""The largest number of pixels of a stored photo, about 250 kB: as much as a screen shows."""

WIDE = 2
"""For photos wider than this times their height, the words are below the photo instead of beside it."""


TALL = 3
"""Photos higher than this times their width scroll in a frame."""

HEADING = "Captions, and where the model attended"
EXPLANATION = (
    "Point at a word, tap it, or use the arrow keys: the photo shows where the model attended as it wrote the word. "
    "Point at the photo to see which words attended there."
)
SEVERAL = (
    " Each model wrote its own caption. Their photos have one cursor: the same word, where both captions have it, and the same "
    "place on the photo. A word that both wrote may follow other words."
)


@dataclass(frozen=True)
class PageItem:
    """A photo and its caption."""

    photo: Image.Image  # the original, its EXIF rotation already applied
    caption: Caption
    name: str  # printed above the photo
    candidates: Sequence[Caption] = field(default_factory=list)  # of decoding, best first, each with its maps
    accounts: Mapping[str, tuple[Caption, str]] = field(default_factory=dict)
    """The caption with other maps, such as gradients, and what each is, by name; its own maps are the caption itself. None: these alone."""
    model: str = ""  # its name, where several are side by side
    beside: Sequence[PageItem] = ()  # the same photo with the captions of other models


def caption_page(
    items: Iterable[PageItem],
    smooth: bool = False,
    title: str = "captions",
    style: Style = USUAL,
    inside: bool = False,
) -> str:
    """Build the page's HTML.

    Candidates without maps, those of `caption.candidates`, are listed; the item's candidates can be selected to see their maps.

    Args:
        items: consumed one by one, so a generator needs the memory of only one photo.
        smooth: start with maps interpolated between the cells' centres; the page has a switch for it.
        style: start with maps of this kind; the page has a switch for it too.
        inside: the page is embedded in another page, which shows a heading. Its own heading is then for screen readers only.

    Raises:
        ValueError: there are no items, or a photo is not the one of its caption.
    """
    sections, several = [], False
    for number, item in enumerate(items):
        sections.append(_section(item, f"item-{number}", style))
        several = several or bool(item.beside)
    if not sections:
        raise ValueError("a page needs at least one photo with its caption, got none; give it a PageItem")
    head = f'<h1>{HEADING}</h1><p class="faint">{EXPLANATION}{SEVERAL if several else ""}</p>'
    look = embedded({"style": style.kind, "smooth": smooth or style.smooth}, ' id="look"')
    body = (
        f'<header class="{"inside" if inside else "title"}">{head}</header>'
        f'<main class="items"><div class="look" role="group" aria-label="maps"></div>{"".join(sections)}</main>{look}'
    )
    return document(title, body, "page")


def save_page(path: str | Path, items: Iterable[PageItem], smooth: bool = False, style: Style = USUAL) -> None:
    """Write the page. The file is written completely or not at all."""
    path = Path(path)
    check_name(path)
    write_text_atomically(path, caption_page(items, smooth, path.stem, style))


def check_name(path: Path) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"a page is saved as HTML, got {path.name!r}; choose a name that ends in .html")


def _section(item: PageItem, key: str, style: Style) -> str:
    """A photo's part of the page: readable without the script, with the data that the script makes interactive."""
    models = [item, *item.beside]
    everything = [caption for model in models for caption in _all_captions(model)]
    for caption in everything:
        check_photo(item.photo, caption)
    scales = {
        "top": max(largest_drawn(caption, caption.weights) for caption in everything) or 1.0,
        "headTop": max(largest_drawn(caption, caption.head_weights) for caption in everything) or 1.0,
    }
    tops = _largest_of(everything)
    views = [_view(model, item, style, tops, scales) for model in models]
    body = f'<div class="models">{"".join(views)}</div>' if item.beside else views[0]
    name = escape(item.name)
    return (
        f'<section class="item" id="{key}" aria-labelledby="{key}-name"><h2 id="{key}-name" dir="auto">{name}</h2>'
        f"{body}</section>"
    )


def _view(model: PageItem, first: PageItem, style: Style, tops: tuple[float, float], scales: dict[str, float]) -> str:
    """One model's caption of a photo. The photo itself is stored once, with the first model's."""
    captions = _captions(model)
    shown = next(index for index, caption in enumerate(captions) if caption.words == model.caption.words)
    accounts = [model.accounts if index == shown else None for index in range(len(captions))]
    data = {
        "captions": [
            caption_data(caption, tops, accounts=own, words=style.words)
            for caption, own in zip(captions, accounts, strict=True)
        ],
        "shown": shown,
        "listed": [] if model.candidates else [[text, log_prob] for text, log_prob in model.caption.candidates],
        **scales,
    }
    width, height = first.photo.size
    text, name = escape(model.caption.text or "(a caption without words)"), escape(first.name)
    source = f'<img src="{as_data(_fit(first.photo))}" width="{width}" height="{height}" alt="photo {name}">'
    shape = "view wide" if width > WIDE * height else "view tall" if height > TALL * width else "view"
    warning = model.caption.warning
    note = f'<p class="faint">The photo is {escape(warning)}.</p>' if warning else ""
    view = (
        f'{note}<div class="{shape}"><div class="frame"><div class="stages"><figure>'
        f'<div class="stage" style="--aspect:{width / height:.5f}">{source if model is first else ""}</div></figure></div></div>'
        f'<p class="sentence" lang="" dir="auto">{text}</p>{embedded(data)}</div>'
    )
    if not first.beside:
        return view
    by = escape(model.model)
    return f'<div class="model" role="group" aria-label="{by}"><h3 dir="auto">{by}</h3>{view}</div>'


def _all_captions(item: PageItem) -> list[Caption]:
    """Every caption of a model that has maps on the page."""
    return [*_captions(item), *(account for account, _ in item.accounts.values())]


def _captions(item: PageItem) -> list[Caption]:
    """The candidates, with the caption first if it is not among them."""
    same = [candidate for candidate in item.candidates if candidate.words == item.caption.words]
    if not item.candidates or not same:
        return [item.caption, *item.candidates]
    return list(item.candidates)


def _largest_of(captions: Sequence[Caption]) -> tuple[float, float]:
    """The largest weight of the maps, and of the heads' maps."""
    weights = max(largest(caption.weights) for caption in captions)
    return weights or 1.0, max(largest(caption.head_weights) for caption in captions) or 1.0


def _fit(photo: Image.Image) -> Image.Image:
    factor = (LARGEST / (photo.width * photo.height)) ** 0.5
    if factor >= 1:
        return photo
    size = max(1, round(photo.width * factor)), max(1, round(photo.height * factor))
    return in_colour(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
