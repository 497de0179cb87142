"""Pictures composed of texts and images with positions, on light or dark paper; drawing_files.py writes them.

Sizes and positions are in pixels of the picture, (width, height) and from its top left corner.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw

from captioner.errors import shortened, visible
from captioner.visualize.fonts import font_for, one_font

Ink = Literal["paper", "ink", "faint"]
PAPER: Ink = "paper"
INK: Ink = "ink"
FAINT: Ink = "faint"
LIGHT: dict[Ink, tuple[int, int, int]] = {"paper": (255, 255, 255), "ink": (28, 30, 34), "faint": (100, 105, 113)}
DARK: dict[Ink, tuple[int, int, int]] = {"paper": (22, 24, 28), "ink": (236, 238, 241), "faint": (160, 166, 174)}
A4 = (8.27, 11.69)
"""Inches; a drawing that has to fit a page fits this one, upright or turned."""
_MARGIN = 0.4  # inches on each side of a page
_LONGEST_WORD = 200  # characters
_LONGEST_TEXT = 2000  # characters; laying out text takes long


@dataclass(frozen=True)
class Text:
    """A line of text; its position is the left end of its baseline."""

    left: float
    top: float  # of the baseline
    text: str
    size: float
    ink: Ink


@dataclass(frozen=True)
class Patch:
    """An image within the picture."""

    left: float
    top: float
    picture: Image.Image


@dataclass(frozen=True, repr=False)
class Drawing:
    """A picture that is painted on demand. Jupyter shows it; `save` writes it as a PNG, PDF or SVG."""

    width: int
    height: int
    marks: Sequence[Text | Patch] = ()
    metadata: dict[str, str] = field(default_factory=dict)  # stored in the file as texts
    dark: bool = False  # light text on dark paper
    dpi: int = 144  # pixels in one inch of a printed page
    letters: str = ""  # all texts are drawn in one font that has these too, if there is one

    @property
    def inks(self) -> dict[Ink, tuple[int, int, int]]:
        return DARK if self.dark else LIGHT

    def picture(self) -> Image.Image:
        """Paint the picture."""
        painted = Image.new("RGB", (self.width, self.height), self.inks["paper"])
        draw = ImageDraw.Draw(painted)
        with one_font(self.letters):
            for mark in self.marks:
                if isinstance(mark, Patch):
                    painted.paste(mark.picture, (round(mark.left), round(mark.top)))
                else:
                    font = font_for(mark.text, mark.size)
                    draw.text((mark.left, mark.top), visible(mark.text), self.inks[mark.ink], font, anchor="ls")
        return painted

    def save(self, path: str | Path) -> None:
        """Write a PNG, PDF or SVG, by the name's ending; PDF and SVG keep texts as texts. Written completely or not at all."""
        from captioner.visualize.drawing_files import save

        save(self, Path(path))

    def __repr__(self) -> str:
        return f"Drawing of {self.width} x {self.height} pixels: {self.metadata.get('caption', '')!r}"

    def _repr_png_(self) -> bytes:
        stored = io.BytesIO()
        self.picture().save(stored, "PNG")
        return stored.getvalue()


def patch(picture: Image.Image) -> Drawing:
    """A drawing of one image."""
    return Drawing(picture.width, picture.height, [Patch(0, 0, picture)])


def lines(paragraphs: Sequence[str], width: int, size: float, ink: Ink, centred: bool = False) -> Drawing:
    """Paragraphs wrapped to a width, their lines from the left or centred."""
    wrapped = [line for text in paragraphs for line in wrap(text, width, size)]
    metrics = [font_for(line, size).getmetrics() for line in wrapped]
    ascent, descent = map(max, zip(*metrics, strict=True))
    step = round(1.15 * (ascent + descent))
    lengths = [length(line, size) for line in wrapped]
    longest = max(lengths)
    lefts = [(longest - one) / 2 if centred else 0.0 for one in lengths]
    marks = [
        Text(left, ascent + index * step, line, size, ink)
        for index, (left, line) in enumerate(zip(lefts, wrapped, strict=True))
    ]
    return Drawing(min(width, round(longest) + 2), step * (len(wrapped) - 1) + ascent + descent, marks)


def length(text: str, size: float) -> float:
    return font_for(text, size).getlength(text)


def brief(word: str) -> str:
    """The start of a word without end."""
    return word if len(word) <= _LONGEST_WORD else word[:_LONGEST_WORD] + "…"


def truncated(word: str, room: float, size: float) -> str:
    """The word, or the start of one that is wider than the room."""
    if length(word, size) <= room:
        return word
    letters = range(len(word), 0, -1)
    return next((word[:n] + "…" for n in letters if length(word[:n] + "…", size) <= room), "…")


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break a text into lines within a width, between words if possible. The middle of an endless text is left out."""
    text = shortened(" ".join(text.split()), _LONGEST_TEXT) or " "
    letters, wrapped = len(text), [text]
    while letters > 1 and max(length(line, size) for line in wrapped) > width:
        letters = min(letters - 1, int(0.97 * letters))
        wrapped = textwrap.wrap(text, letters, break_on_hyphens=False)
    return wrapped


def shifted(drawing: Drawing, right: float, down: float) -> list[Text | Patch]:
    return [replace(mark, left=mark.left + right, top=mark.top + down) for mark in drawing.marks]


def row(blocks: Sequence[Drawing], gap: int, centred: bool = False) -> Drawing:
    """Blocks side by side."""
    height, left = max(block.height for block in blocks), 0
    marks: list[Text | Patch] = []
    for block in blocks:
        marks += shifted(block, left, (height - block.height) // 2 if centred else 0)
        left += block.width + gap
    return Drawing(left - gap, height, marks)


def column(blocks: Sequence[Drawing], gap: int, centred: bool = False) -> Drawing:
    """Blocks below one another."""
    width, top = max(block.width for block in blocks), 0
    marks: list[Text | Patch] = []
    for block in blocks:
        marks += shifted(block, (width - block.width) // 2 if centred else 0, top)
        top += block.height + gap
    return Drawing(width, top - gap, marks)


def even_rows(blocks: Sequence[Drawing], columns: int, gap: int) -> list[Drawing]:
    """Rows of at most `columns` blocks, of lengths as even as possible."""
    num_rows = -(-len(blocks) // columns)
    columns = -(-len(blocks) // max(1, num_rows))
    return [row(blocks[start : start + columns], gap) for start in range(0, len(blocks), columns or 1)]


def flowing_rows(blocks: Sequence[Drawing], width: int, gap: int) -> list[Drawing]:
    """Rows filled up to a width, like words in a text; a wider block gets a row of its own."""
    filled: list[list[Drawing]] = [[]]
    left = 0
    for block in blocks:
        if filled[-1] and left + block.width > width:
            filled.append([])
            left = 0
        filled[-1].append(block)
        left += block.width + gap
    return [row(line, gap) for line in filled if line]


def framed(drawing: Drawing, width: int, margin: int) -> Drawing:
    """The drawing with a margin around it."""
    size = {"width": width + 2 * margin, "height": drawing.height + 2 * margin}
    return replace(drawing, **size, marks=shifted(drawing, margin, margin))


def on_a_page(drawing: Drawing, dpi: int) -> Drawing:
    """The drawing with this many pixels in an inch, or with as many more as it needs to fit a page."""
    page = [side - 2 * _MARGIN for side in A4]
    sizes = sorted((drawing.width, drawing.height))
    return replace(drawing, dpi=max(dpi, *(math.ceil(size / side) for size, side in zip(sizes, page, strict=True))))
