"""Figures of numbers as PNG files. They are made without pyplot, so that a notebook's own figures and backend stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 130


@contextmanager
def figure_file(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Gives a figure of a size in inches; when the block ends it is written, whole or not at all."""
    from matplotlib.figure import Figure  # takes a third of a second

    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=_DPI)


def plain(axes: Axes, lines: str = "both") -> None:
    """A light grid behind the marks, across the axis `x`, `y` or `both`, and no frame above and to the right."""
    axes.grid(axis=lines, color="#dddddd")  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
