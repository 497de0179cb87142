"""Figures as PNG files, made without pyplot, so that a notebook's own figures and backend are not affected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.files import replacing
from captioner.visualize.fonts import plain_texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 130


@contextmanager
def figure_file(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Provide a figure of this size in inches, and write it when the block ends, completely or not at all."""
    from matplotlib.figure import Figure  # importing it takes a third of a second

    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    with replacing(path) as temporary, plain_texts(figure):
        figure.savefig(temporary, format="png", dpi=_DPI)


def plain(axes: Axes, lines: str = "both") -> None:
    """Draw a light grid behind the marks, for the axis `x`, `y` or `both`, and no frame at the top and the right."""
    axes.grid(axis=lines, color="#dddddd")  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
