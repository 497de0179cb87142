"""Figures as PNG, PDF and SVG files, made without pyplot, so that a notebook's own figures and backend are not affected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.files import VERSION, replacing
from captioner.visualize.fonts import plain_texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 200
FORMATS = (".png", ".pdf", ".svg")
_OPTIONS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "captioner", "pdf.fonttype": 42}
"""Texts stay texts, and the same figure is the same file."""
_ABOUT = {
    ".png": {"Software": f"captioner {VERSION}"},
    ".svg": {"Creator": f"captioner {VERSION}", "Date": None},
    ".pdf": {"Creator": f"captioner {VERSION}", "CreationDate": None},
}


@contextmanager
def figure_file(path: Path, width: float, height: float, endings: Sequence[str] = ()) -> Iterator[Figure]:
    """Provide a figure of this size in inches, and write it when the block ends, each file completely or not at all.

    Args:
        path: of the file; its ending, one of FORMATS, is the format.
        width: of the figure.
        height: of the figure.
        endings: write a file with each of these endings instead of the path's own.
    """
    from matplotlib import rc_context  # importing it takes a third of a second
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    for ending in endings or (path.suffix.lower(),):
        file = path.with_suffix(ending) if endings else path
        with replacing(file) as temporary, rc_context(_OPTIONS), plain_texts(figure):
            figure.savefig(temporary, format=ending[1:], dpi=_DPI, metadata=_ABOUT.get(ending))


def plain(axes: Axes, lines: str = "both") -> None:
    """Draw a light grid behind the marks, for the axis `x`, `y` or `both`, and no frame at the top and the right."""
    axes.grid(axis=lines, color="#dddddd")  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
