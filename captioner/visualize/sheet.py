"""A picture of one caption: the photo, then for each content word the photo under the word's map.

All maps of a sheet share one scale. Cells are drawn as cells in the photo's proportions.

Shapes: T words, R regions. Sizes are (width, height) in pixels of the sheet, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from captioner.encoders.preprocess import Photo
from captioner.search.result import Caption, in_digits
from captioner.visualize.drawing import (
    FAINT,
    INK,
    Drawing,
    Text,
    brief,
    column,
    even_rows,
    framed,
    length,
    lines,
    on_a_page,
    patch,
    row,
    truncated,
)
from captioner.visualize.fonts import font_for, one_font
from captioner.visualize.legend import foot, shown_part, word_notes
from captioner.visualize.overlay import (
    USUAL,
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

COLUMNS = 6  # panels in a row, at most, unless the caption is so long that its rows would not fit a page
SHEET_DPI = 200  # a full row is as wide as a page
_PAGE = 1.25  # height of rows over their width, at most: the caption and the legend need room too
SMALLEST = 0.7  # a long word shrinks to this share of its size before it is truncated


def sheet(photo: Photo, caption: Caption, style: Style = USUAL, name: str = "") -> Drawing:
    """The photo, then a panel for each word: the word, its probability, its map, and the map's numbers.

    Args:
        photo: the original: a file, or a picture that is turned upright already.
        caption: the photo's caption.
        name: the photo's name, printed above the caption.
    """
    photo = picture_of(photo)
    with one_font(caption.text):
        panel, gap = style.panel, style.panel // 12
        small, shown = fit(photo, panel_side(photo, panel)), shown_part(caption, style)
        maps = maps_over(photo, [shown], small.size, style)
        columns = in_a_row(COLUMNS, small.width, panel)
        first = tile(small, "photo", f"{photo.width} x {photo.height}", [], panel, quiet=True)
        tiles = word_tiles(small, shown, maps[0], style)
        if maps[0] is None:
            message = lines([convention(caption)], 2 * panel, panel / 14, FAINT)
            top = [row([first, message] if caption.weights is None else [first], gap, centred=True)]
        else:
            top, tiles = [], [first, *tiles]
        body = column([*top, *page_rows(tiles, columns, gap)], round(1.2 * gap))
        width = max(2 * panel + gap, body.width)
        head = lines([caption.text or "(a caption without words)"], width, panel / 9, INK)
        if caption.warning:
            head = column([head, lines([f"The photo is {caption.warning}."], width, panel / 14, FAINT)], panel // 40)
        if name:
            head = column([lines([name], width, panel / 14, FAINT), head], panel // 40)
        below = [] if maps[0] is None else [foot([caption], maps, width, style)]
        drawing = framed(column([head, body, *below], round(1.2 * gap)), width, round(1.5 * gap))
    metadata = caption_metadata(caption, style) | ({"photo": name} if name else {})
    return on_a_page(replace(drawing, metadata=metadata, dark=style.dark, letters=caption.text), SHEET_DPI)


def page_rows(tiles: Sequence[Drawing], columns: int, gap: int) -> list[Drawing]:
    """Rows of tiles: of `columns`, or of more if the rows would be higher than a page is for their width."""
    rows = even_rows(tiles, columns, gap)
    while len(rows) > 1 and sum(block.height + gap for block in rows) > _PAGE * max(block.width for block in rows):
        columns += 1
        rows = even_rows(tiles, columns, gap)
    return rows


def save_sheet(path: str | Path, photo: Image.Image, caption: Caption, style: Style = USUAL) -> None:
    """Write the sheet as a PNG or PDF with metadata. The file is written completely or not at all."""
    sheet(photo, caption, style).save(path)


def contact(sheets: Sequence[Drawing]) -> Drawing:
    """Join sheets into one picture, one below another."""
    if not sheets:
        raise ValueError("contact() needs at least one sheet, got none; make them with sheet(photo, caption)")
    together = column(sheets, 0)
    keys = dict.fromkeys(key for drawing in sheets for key in drawing.metadata)
    metadata = {key: "\n".join(drawing.metadata.get(key, "") for drawing in sheets) for key in keys}
    letters = "".join(drawing.letters for drawing in sheets)
    dpi = max(drawing.dpi for drawing in sheets)
    return replace(together, metadata=metadata, dark=sheets[0].dark, dpi=dpi, letters=letters)


def word_tiles(photo: Image.Image, caption: Caption, maps: Maps | None, style: Style) -> list[Drawing]:
    """A tile for each word: the photo at its drawn size under the word's map."""
    over = None if maps is None else maps.on(photo)
    tiles = []
    for index, (word, log_prob) in enumerate(zip(caption.words, caption.word_log_probs, strict=True)):
        notes = word_notes(caption, index)
        notes = [" · ".join(notes[:2]), *notes[2:]] if caption.weights is not None else notes
        if maps is not None and style.scale == "word":
            notes.append(f"colours to {float(maps.tops[index]):.2g}")
        picture = None if over is None else over(index)
        tiles.append(tile(picture, word, in_digits(float(log_prob.exp())), notes, style.panel))
    return tiles


def tile(
    picture: Image.Image | None, word: str, number: str, notes: list[str], panel: int, quiet: bool = False
) -> Drawing:
    """A word and its number above a picture, notes below it."""
    width = max(picture.width if picture else panel // 2, round((0.75 if quiet else 0.55) * panel))
    blocks = [_label(word, number, width, panel, quiet)]
    blocks += [patch(picture)] if picture else []
    blocks += [lines(notes, width, panel / 17, FAINT)] if any(notes) else []
    return column(blocks, panel // 40)


def _label(word: str, number: str, width: int, panel: int, quiet: bool) -> Drawing:
    size = panel / 12.5
    beside = length(number, panel / 17)
    word, word_size = shortened(word, width - beside - panel / 28, size)
    ascent, descent = font_for(word, size).getmetrics()
    marks = [
        Text(0, ascent, word, word_size, FAINT if quiet else INK),
        Text(width - beside, ascent, number, panel / 17, FAINT),
    ]
    return Drawing(width, ascent + descent, marks)


def shortened(word: str, room: float, size: float) -> tuple[str, float]:
    """The word and a size that fits: first it shrinks, then it is truncated."""
    word = brief(word)
    fitting = min(1.0, room / max(1.0, length(word, size)))
    size *= max(SMALLEST, fitting)
    return truncated(word, room, size), size
