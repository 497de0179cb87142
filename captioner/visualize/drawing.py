"""Pictures composed of texts and images with positions, painted as a PNG or written as a PDF.

Sizes and positions are in pixels of the picture, (width, height) and from its top left corner.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw, PngImagePlugin

from captioner.errors import UserError, visible
from captioner.files import replacing
from captioner.visualize.fonts import font_bytes, font_for

Ink = tuple[int, int, int]
PAPER, INK, FAINT = (255, 255, 255), (28, 30, 34), (112, 117, 125)
_POINTS = 0.5  # points of a PDF page in one pixel: a sheet is about as wide as a page


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
    """A picture that is painted on demand. Jupyter shows it; `save` writes it as a PNG or a PDF."""

    width: int
    height: int
    marks: Sequence[Text | Patch] = ()
    metadata: dict[str, str] = field(default_factory=dict)  # stored in the file as texts

    def picture(self) -> Image.Image:
        """Paint the picture."""
        painted = Image.new("RGB", (self.width, self.height), PAPER)
        draw = ImageDraw.Draw(painted)
        for mark in self.marks:
            if isinstance(mark, Patch):
                painted.paste(mark.picture, (round(mark.left), round(mark.top)))
            else:
                draw.text(
                    (mark.left, mark.top), visible(mark.text), mark.ink, font_for(mark.text, mark.size), anchor="ls"
                )
        return painted

    def save(self, path: str | Path) -> None:
        """Write a PNG or a PDF, by the name's ending; a PDF keeps texts as texts. The file is written completely or not at all."""
        path = Path(path)
        writers = {".png": _write_png, ".pdf": _write_pdf}
        if path.suffix.lower() not in writers:
            raise UserError(
                f"a picture is saved as PNG or PDF, got {path.name!r}; choose a name that ends in .png or .pdf"
            )
        with replacing(path) as temporary:
            writers[path.suffix.lower()](self, temporary)

    def __repr__(self) -> str:
        return f"Drawing of {self.width} x {self.height} pixels: {self.metadata.get('caption', '')!r}"

    def _repr_png_(self) -> bytes:
        stored = io.BytesIO()
        self.picture().save(stored, "PNG")
        return stored.getvalue()


def _write_png(drawing: Drawing, path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    for name, value in drawing.metadata.items():
        texts.add_text(name, visible(value))
    drawing.picture().save(
        path, format="PNG", pnginfo=texts, compress_level=3
    )  # 3 % larger than by default, in a third of the time


def _write_pdf(drawing: Drawing, path: Path) -> None:
    """Keep images pixel for pixel; matplotlib positions them and embeds the fonts."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    figure = Figure(figsize=(drawing.width * _POINTS / 72, drawing.height * _POINTS / 72), dpi=72 / _POINTS)
    canvas = FigureCanvasPdf(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, drawing.width), ylim=(drawing.height, 0), autoscale_on=False)
    axes.set_axis_off()
    texts = {name: visible(value) for name, value in drawing.metadata.items()}
    about = {"Title": texts.pop("caption", ""), "Subject": texts.pop("convention", "")}
    about["Keywords"] = "; ".join(f"{name}: {value}" for name, value in texts.items())
    with TemporaryDirectory() as folder, rc_context({"pdf.fonttype": 42}):  # TrueType fonts, which journals ask for
        for mark in drawing.marks:
            if isinstance(mark, Patch):
                right, bottom = mark.left + mark.picture.width, mark.top + mark.picture.height
                extent = (mark.left, right, bottom, mark.top)
                axes.imshow(mark.picture, extent=extent, interpolation="none", aspect="auto")
            else:
                _write_text(axes, mark, Path(folder))
        canvas.print_pdf(path, metadata={name: value for name, value in about.items() if value})


def _write_text(axes, mark: Text, folder: Path) -> None:
    from matplotlib.font_manager import FontProperties

    font = font_for(mark.text, mark.size)
    file = font_bytes(font)
    if isinstance(file, bytes):
        (folder / "font.ttf").write_bytes(file)
        file = folder / "font.ttf"
    ink = tuple(part / 255 for part in mark.ink)
    properties = FontProperties(fname=str(file), size=font.size * _POINTS)
    axes.text(
        mark.left, mark.top, visible(mark.text), color=ink, fontproperties=properties, va="baseline", parse_math=False
    )


def patch(picture: Image.Image) -> Drawing:
    """A drawing of one image."""
    return Drawing(picture.width, picture.height, [Patch(0, 0, picture)])


def lines(paragraphs: Sequence[str], width: int, size: float, ink: Ink) -> Drawing:
    """Paragraphs wrapped to a width."""
    wrapped = [line for text in paragraphs for line in wrap(text, width, size)]
    metrics = [font_for(line, size).getmetrics() for line in wrapped]
    ascent, descent = map(max, zip(*metrics, strict=True))
    step = round(1.15 * (ascent + descent))
    longest = max(length(line, size) for line in wrapped)
    marks = [Text(0, ascent + index * step, line, size, ink) for index, line in enumerate(wrapped)]
    return Drawing(min(width, round(longest) + 2), step * (len(wrapped) - 1) + ascent + descent, marks)


def length(text: str, size: float) -> float:
    return font_for(text, size).getlength(text)


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break a text into lines within a width, between words if possible."""
    text = " ".join(text.split()) or " "
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
    return Drawing(width + 2 * margin, drawing.height + 2 * margin, shifted(drawing, margin, margin), drawing.metadata)
