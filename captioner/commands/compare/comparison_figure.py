"""A comparison as a figure: a row for each kind, a dot for each seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from captioner.visualize.figures import FORMATS, figure_file, plain


class Compared(Protocol):
    """The numbers of one kind that are drawn."""

    @property
    def scores(self) -> list[float]: ...

    @property
    def entropy(self) -> float | None: ...


def comparison_figure(path: Path, lines: Mapping[str, Compared]) -> None:
    """Draw the scores of every seed with their means, and the entropy of the maps, as PNG, PDF and SVG."""
    with figure_file(path, 9, 1.7 + 0.32 * len(lines), FORMATS) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
        mean_label = "mean of the seeds"  # named once in the legend
        for row, line in enumerate(lines.values()):
            scores = [100 * score for score in line.scores]
            seeds = left.plot(scores, [row] * len(scores), "o", color="#0072B2", alpha=0.45, markersize=5)
            seeds[0].set_label("" if row else "a seed")
            if len(scores) > 1:
                mean = statistics.fmean(scores)
                left.plot([mean] * 2, [row - 0.3, row + 0.3], color="#D55E00", linewidth=2, label=mean_label)
                mean_label = ""
            if line.entropy is not None:
                right.barh(row, line.entropy, color="#0072B2", height=0.55)
        left.set_yticks(range(len(lines)), list(lines))
        left.invert_yaxis()
        left.set(title="Scores", xlabel="CIDEr-D x100")
        right.set(title="Spread of the maps", xlabel="entropy / log R (uniform map: 1)")
        figure.legend(loc="outside lower left", ncols=2, frameon=False)
        right.set_xlim(0, 1)
        for axes in (left, right):
            plain(axes, "x")
