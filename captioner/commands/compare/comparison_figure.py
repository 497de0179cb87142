"""A comparison as a figure: a row for each kind, a dot for each seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from captioner.visualize.figures import figure_file, plain


class Compared(Protocol):
    """The numbers of one kind that are drawn."""

    @property
    def scores(self) -> list[float]: ...

    @property
    def entropy(self) -> float | None: ...


def comparison_figure(path: Path, lines: Mapping[str, Compared]) -> None:
    """Draw the scores of every seed with their means, and the entropy of the maps; a PNG file, written atomically."""
    with figure_file(path, 9, 1.2 + 0.32 * len(lines)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        for row, line in enumerate(lines.values()):
            scores = [100 * score for score in line.scores]
            left.plot(scores, [row] * len(scores), "o", color="#0072B2", alpha=0.45, markersize=5)
            left.plot([statistics.fmean(scores)] * 2, [row - 0.3, row + 0.3], color="#D55E00", linewidth=2)
            if line.entropy is not None:
                right.barh(row, line.entropy, color="#0072B2", height=0.55)
        left.set_yticks(range(len(lines)), list(lines))
        left.invert_yaxis()
        left.set_xlabel("CIDEr-D x100: seeds (dots), their mean (bar)")
        right.set_xlabel("entropy of maps / log R")
        right.set_xlim(0, 1)
        for axes in (left, right):
            plain(axes, "x")
