"""A comparison as a figure: every seed a dot, every kind a line."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from captioner.visualize.figures import figure_file, plain


class Compared(Protocol):
    """What is drawn of one kind."""

    @property
    def scores(self) -> list[float]: ...

    @property
    def entropy(self) -> float | None: ...


def comparison_figure(path: Path, lines: Mapping[str, Compared]) -> None:
    """Scores of every seed with their means, and beside them how spread the maps are. Written as PNG, whole or not at all."""
    with figure_file(path, 9, 1.2 + 0.32 * len(lines)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        for place, line in enumerate(lines.values()):
            scores = [100 * score for score in line.scores]
            left.plot(scores, [place] * len(scores), "o", color="#0072B2", alpha=0.45, markersize=5)
            left.plot([statistics.fmean(scores)] * 2, [place - 0.3, place + 0.3], color="#D55E00", linewidth=2)
            if line.entropy is not None:
                right.barh(place, line.entropy, color="#0072B2", height=0.55)
        left.set_yticks(range(len(lines)), list(lines))
        left.invert_yaxis()
        left.set_xlabel("CIDEr-D x100: seeds (dots), their mean (bar)")
        right.set_xlabel("entropy / log R")
        right.set_xlim(0, 1)
        for axes in (left, right):
            plain(axes, "x")
