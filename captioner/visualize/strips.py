"""Small maps over words: a caption as a strip, several models side by side, and the heads of one caption.

All maps of a picture share one scale, also across models, unless the style gives each word its own.

Shapes: T words, N heads. Sizes are in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from PIL import Image

from captioner.encoders.preprocess import Photo
from captioner.search.result import Caption, in_digits
from captioner.visualize.drawing import (
    FAINT,
    INK,
    Drawing,
    Text,
    column,
    even_rows,
    framed,
    length,
    lines,
    on_a_page,
    patch,
    row,
)
from captioner.visualize.fonts import font_for, one_font
from captioner.visualize.legend import foot, shown_part, word_notes
from captioner.visualize.overlay import (
    Maps,
    Style,
    caption_metadata,
    convention,
    fit,
    in_a_row,
    maps_over,
    panel_side,
    picture_of,
)
from captioner.visualize.sheet import page_rows, shortened

SMALL = Style(panel=96)
FIGURE = Style(panel=288)
"""A strip of WORDS_OF_FIGURE panels is 7 inches wide at FIGURE_DPI, a page's text in two columns."""
FIGURE_DPI = 300
WORDS, WORDS_OF_FIGURE = 12, 7  # in a row, at most
_GAP = 6


def strip(photo: Photo, caption: Caption, style: Style = FIGURE) -> Drawing:
    """The caption, and below it small maps of its words in a row: a figure for a paper."""
    photo = picture_of(photo)
    with one_font(caption.text):
        small, shown = fit(photo, panel_side(photo, style.panel)), shown_part(caption, style)
        maps = maps_over(photo, [shown], small.size, style)
        tiles = [_photo_tile(small, style), *_tiles(small, shown, maps[0], style)]
        body = page_rows(tiles, in_a_row(WORDS_OF_FIGURE, small.width, style.panel), 2 * _GAP)
        head = _sentence(caption, max(4 * style.panel, *(block.width for block in body)), style)
        return on_a_page(_finished([head, *body], [caption], maps, style), FIGURE_DPI)


def side_by_side(
    photo: Photo, captions: Mapping[str, Caption], style: Style = SMALL, notes: Mapping[str, str] | None = None
) -> Drawing:
    """The captions of several models for one photo: name, caption and maps of each.

    Args:
        photo: the original: a file, or a picture that is turned upright already.
        captions: by name.
        style: how maps are drawn.
        notes: by name, in place of what is said of how a model attended.

    Raises:
        ValueError: there are no captions.
    """
    if not captions or not isinstance(captions, Mapping) or not all(isinstance(name, str) for name in captions):
        raise ValueError(f"side_by_side() needs {{name: caption}}, got {captions!r}; give each caption a name")
    photo = picture_of(photo)
    with one_font(_letters(captions.values())):
        small = fit(photo, panel_side(photo, style.panel))
        shown = {name: shown_part(caption, style) for name, caption in captions.items()}
        maps = maps_over(photo, list(shown.values()), small.size, style)
        rows_of = {
            name: [] if own is None else _rows(_tiles(small, shown[name], own, style), small, style)
            for name, own in zip(captions, maps, strict=True)
        }
        large = patch(fit(photo, panel_side(photo, 2 * style.panel)))
        width = max([4 * style.panel, large.width, *(block.width for rows in rows_of.values() for block in rows)])
        body = [large]
        if notes:
            body.insert(0, _sentence(next(iter(captions.values())), width, style))
        for name, caption in captions.items():
            note = (
                notes.get(name, "") if notes else f"{convention(caption)} · confidence {in_digits(caption.confidence)}"
            )
            head = [lines([f"{name} · {note}"], width, max(12, style.panel / 10), FAINT)]
            head += [] if notes else [_sentence(caption, width, style)]
            body.append(column([*head, *rows_of[name]], 2 * _GAP))
        drawing = _finished(body, list(captions.values()), maps, style, 4 * _GAP, with_convention=notes is None)
    return replace(drawing, metadata=drawing.metadata | {"models": ", ".join(captions)})


ABOUT_HEADS = (
    "a head's map is where this head attended; not its share in the word, which also depends on what it read there"
)


def heads(
    photo: Photo,
    caption: Caption | Mapping[str, Caption],
    style: Style = SMALL,
    notes: Mapping[str, str] | None = None,
) -> Drawing:
    """The caption and its photo, then a row for the mean of the heads and one for each head, with a column for each word.

    Args:
        photo: the original: a file, or a picture that is turned upright already.
        caption: the caption, or the same caption with the maps of each layer of its decoder, by the layer's name.
        style: how maps are drawn.
        notes: by name, what is said above a layer.

    Raises:
        ValueError: the caption has no heads.
    """
    photo, layers = picture_of(photo), {"": caption} if isinstance(caption, Caption) else dict(caption)
    first = next(iter(layers.values()))
    if any(layer.head_weights is None for layer in layers.values()):
        raise ValueError(
            "this caption has no heads, since only multi-head attention has them; draw it with strip() or sheet()"
        )
    with one_font(_letters(layers.values())):
        small = fit(photo, panel_side(photo, style.panel))
        shown = [shown_part(layer, style) for layer in layers.values()]
        maps = maps_over(photo, shown, small.size, style, heads=True)
        large = patch(fit(photo, panel_side(photo, 2 * style.panel)))
        rows: list[Drawing] = []
        for name, part, own in zip(layers, shown, maps, strict=True):
            if own is not None:
                note = (notes or {}).get(name)
                title = f"{name} · {note}" if note else name
                rows.append(_titled(title, _head_rows(small, part, own, style), style))
        width = max([large.width, *(block.width for block in rows)])
        head = _sentence(first, width, style)
        about = [lines([ABOUT_HEADS], width, _note_size(style), FAINT)] if rows else []
        return _finished([head, large, *rows, *about], list(layers.values()), maps, style, gap=3 * _GAP)


def _titled(title: str, rows: Sequence[Drawing], style: Style) -> Drawing:
    """Rows below what is said of their layer."""
    width = max(5 * style.panel, *(block.width for block in rows))
    return column([*([lines([title], width, max(12, style.panel / 8), INK)] if title else []), *rows], _GAP)


def _head_rows(photo: Image.Image, caption: Caption, maps: Maps, style: Style) -> list[Drawing]:
    """Rows of the mean of the heads and of each head, in as many blocks as the words need."""
    columns = _columns(photo, caption, maps, style)
    num_rows = -(-len(columns) // in_a_row(WORDS, photo.width, style.panel))
    in_row = -(-len(columns) // max(1, num_rows))
    names = _names(maps.drawn.shape[1], photo, style)
    return [row([names, *columns[start : start + in_row]], _GAP) for start in range(0, len(columns), in_row)]


def _word_size(style: Style) -> float:
    """Of words in pixels: 8 points in a figure, and never too small for a screen."""
    return max(15.0, style.panel / 8.5)


def _note_size(style: Style) -> float:
    return max(10.7, style.panel / 11)


def _sentence(caption: Caption, width: int, style: Style) -> Drawing:
    return lines([caption.text or "(a caption without words)"], width, 1.1 * _word_size(style), INK)


def _rows(tiles: Sequence[Drawing], photo: Image.Image, style: Style) -> list[Drawing]:
    return even_rows(tiles, in_a_row(WORDS, photo.width, style.panel), _GAP)


def _columns(photo: Image.Image, caption: Caption, maps: Maps, style: Style) -> list[Drawing]:
    """For each word, the mean of its heads' maps and every head's map, one below another."""
    num_heads = maps.drawn.shape[1]
    mean, over = replace(maps, drawn=maps.drawn.mean(1), tops=maps.tops.amax(1)).on(photo), maps.on(photo)
    columns = []
    for index, word in enumerate(caption.words):
        pictures = [mean(index), *(over(index, head) for head in range(num_heads))]
        label = _word(word, max(photo.width, style.panel // 2), style)
        columns.append(column([label, *map(patch, pictures)], _GAP, centred=True))
    return columns


def _tiles(photo: Image.Image, caption: Caption, maps: Maps | None, style: Style) -> list[Drawing]:
    """For each word, the photo under its map above the word, and the map's numbers."""
    over = None if maps is None else maps.on(photo)
    tiles = []
    width = max(photo.width, style.panel // 2)
    for index, word in enumerate(caption.words):
        parts = [] if over is None else [patch(over(index))]
        parts.append(_word(word, width, style))
        parts += [lines([note], width, _note_size(style), FAINT, centred=True) for note in word_notes(caption, index)]
        tiles.append(column(parts, 2, centred=True))
    return tiles


def _photo_tile(photo: Image.Image, style: Style) -> Drawing:
    label = lines(["photo"], style.panel, _word_size(style), FAINT)
    return column([patch(photo), label], 2, centred=True)


def _word(word: str, width: int, style: Style) -> Drawing:
    word, size = shortened(word, width, _word_size(style))
    ascent, descent = font_for(word, _word_size(style)).getmetrics()
    return Drawing(width, ascent + descent, [Text((width - length(word, size)) / 2, ascent, word, size, INK)])


def _names(num_heads: int, photo: Image.Image, style: Style) -> Drawing:
    """The labels on the left of the rows of heads."""
    names = ["mean", *(f"head {number}" for number in range(1, num_heads + 1))]
    labels = [lines([name], style.panel, style.panel / 7, FAINT) for name in names]
    width = max(label.width for label in labels)
    beside = Drawing(0, photo.height)
    cells = [row([beside, Drawing(width, label.height, label.marks)], 0, centred=True) for label in labels]
    return column([_word(" ", width, style), *cells], _GAP)


def _finished(
    body: Sequence[Drawing],
    captions: Sequence[Caption],
    maps: Sequence[Maps | None],
    style: Style,
    gap: int = 2 * _GAP,
    with_convention: bool = True,
) -> Drawing:
    """Add the legend below, a margin, and the metadata."""
    width = max(4 * style.panel, *(block.width for block in body))
    legend = replace(style, panel=round(16 * max(9.4, style.panel / 12)))
    below = [foot(captions, maps, width, legend, with_convention)] if any(own is not None for own in maps) else []
    drawing = framed(column([*body, *below], gap), max(block.width for block in [*body, *below]), 2 * _GAP)
    parts = [caption_metadata(caption, style) for caption in captions]
    keys = dict.fromkeys(key for part in parts for key in part)
    joined = {key: "\n".join(part.get(key, "") for part in parts) for key in keys}
    return replace(drawing, metadata=joined, dark=style.dark, letters=_letters(captions))


def _letters(captions: Iterable[Caption]) -> str:
    return "".join(caption.text for caption in captions)
