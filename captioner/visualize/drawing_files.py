"""Write a drawing as a PNG, PDF or SVG. PDF and SVG keep texts as texts and images pixel for pixel.

Sizes and positions are in pixels of the picture.
"""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import PngImagePlugin

from captioner.errors import UserError, visible
from captioner.files import VERSION, replacing
from captioner.visualize.drawing import Drawing, Patch, Text
from captioner.visualize.fonts import font_bytes, font_for, one_font, plain_texts

FORMATS = (".png", ".pdf", ".svg")
"""Endings of the files that a drawing is written to."""


def save(drawing: Drawing, path: Path) -> None:
    """Write the format that the name ends in. The file is written completely or not at all."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UserError(
            f"a picture is saved as PNG, PDF or SVG, got {path.name!r}; choose a name that ends in .png, .pdf or .svg"
        )
    writers = {".png": _write_png, ".pdf": _write_pdf, ".svg": _write_svg}
    with one_font(drawing.letters), replacing(path) as temporary:
        writers[ending](drawing, temporary)


def _write_png(drawing: Drawing, path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    for name, value in drawing.metadata.items():
        texts.add_text(name, visible(value))
    drawing.picture().save(
        path, format="PNG", pnginfo=texts, compress_level=3, dpi=(drawing.dpi, drawing.dpi)
    )  # 3 % larger than by default, in a third of the time


def _write_pdf(drawing: Drawing, path: Path) -> None:
    """Keep images pixel for pixel; matplotlib positions them and embeds the fonts."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    figure = Figure(figsize=(drawing.width / drawing.dpi, drawing.height / drawing.dpi), dpi=drawing.dpi)
    figure.set_facecolor(_hex(drawing.inks["paper"]))
    canvas = FigureCanvasPdf(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, drawing.width), ylim=(drawing.height, 0), autoscale_on=False)
    axes.set_axis_off()
    texts = {name: visible(value) for name, value in drawing.metadata.items()}
    about = {"Title": texts.pop("caption", ""), "Subject": texts.pop("convention", "")}
    about["Creator"] = texts.pop("software", f"captioner {VERSION}")
    about["Keywords"] = "; ".join(f"{name}: {value}" for name, value in texts.items())
    with TemporaryDirectory() as folder, rc_context({"pdf.fonttype": 42}):  # TrueType fonts, which journals ask for
        for mark in drawing.marks:
            if isinstance(mark, Patch):
                right, bottom = mark.left + mark.picture.width, mark.top + mark.picture.height
                extent = (mark.left, right, bottom, mark.top)
                axes.imshow(mark.picture, extent=extent, interpolation="none", aspect="auto")
            else:
                _write_text(axes, mark, drawing, Path(folder))
        with plain_texts(figure):
            canvas.print_pdf(path, metadata={name: value for name, value in about.items() if value})


def _write_text(axes, mark: Text, drawing: Drawing, folder: Path) -> None:
    from matplotlib.font_manager import FontProperties

    font = font_for(mark.text, mark.size)
    file = font_bytes(font)
    if isinstance(file, bytes):
        (folder / "font.ttf").write_bytes(file)
        file = folder / "font.ttf"
    ink = _hex(drawing.inks[mark.ink])
    properties = FontProperties(fname=str(file), size=font.size * 72 / drawing.dpi)
    axes.text(
        mark.left, mark.top, visible(mark.text), color=ink, fontproperties=properties, va="baseline", parse_math=False
    )


def _write_svg(drawing: Drawing, path: Path) -> None:
    """Each text states its length, so that it keeps its place in another font."""
    width, height = drawing.width, drawing.height
    texts = {name: visible(value) for name, value in drawing.metadata.items()}
    about = "\n".join(f"{name}: {value}" for name, value in texts.items() if name != "caption")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width / drawing.dpi:.4f}in" height="{height / drawing.dpi:.4f}in" '
        f'viewBox="0 0 {width} {height}" font-family="{_FAMILIES}">',
        f"<title>{escape(texts.get('caption', ''))}</title><desc>{escape(about)}</desc>",
        f'<rect width="{width}" height="{height}" fill="{_hex(drawing.inks["paper"])}"/>',
    ]
    parts += [_svg_image(mark) if isinstance(mark, Patch) else _svg_text(mark, drawing) for mark in drawing.marks]
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8", errors="backslashreplace", newline="\n")


_FAMILIES = "Aileron, Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + bytes(colour).hex()


def _svg_image(mark: Patch) -> str:
    stored = io.BytesIO()
    mark.picture.save(stored, "PNG")
    data = base64.b64encode(stored.getvalue()).decode()
    place = f'x="{mark.left:.2f}" y="{mark.top:.2f}" width="{mark.picture.width}" height="{mark.picture.height}"'
    return f'<image {place} href="data:image/png;base64,{data}"/>'


def _svg_text(mark: Text, drawing: Drawing) -> str:
    font, text = font_for(mark.text, mark.size), visible(mark.text)
    place = f'x="{mark.left:.2f}" y="{mark.top:.2f}" font-size="{font.size}" fill="{_hex(drawing.inks[mark.ink])}"'
    length = f'textLength="{max(0.01, font.getlength(text)):.2f}"'
    # plaintext: the first letter says whether the text runs from the left or from the right, as in a PNG
    return f'<text {place} {length} unicode-bidi="plaintext" xml:space="preserve">{escape(text)}</text>'
