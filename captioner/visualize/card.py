"""An inspection as a figure: is the map right, where does it look when, is it the reason, and does it matter?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from captioner.bootstrap import Estimate
from captioner.files import replacing

_COLOURS = {"references": "#0072B2", "captions": "#D55E00", "lost": "#777777"}


class Inspected(Protocol):
    """What is drawn."""

    @property
    def agreement(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def lag(self) -> Mapping[str, Mapping[int, Any]]: ...

    @property
    def reasons(self) -> Mapping[str, Any]: ...

    @property
    def replaced(self) -> Mapping[str, Any]: ...


def card_figure(path: Path, card: Inspected, title: str) -> None:
    """Four panels with 95 % intervals. Written as PNG, whole or not at all."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ((right, when), (reason, matters)) = pyplot.subplots(2, 2, figsize=(11, 7), layout="constrained")
    lifts = {name: {row: one.lift for row, one in found.items()} for name, found in card.agreement.items()}
    _bars(right, lifts, "Lift on named objects (1: knows nothing)")
    for name, found in card.lag.items():
        _line(when, {offset: one.lift for offset, one in found.items() if one.lift is not None}, name)
    _bars(
        reason, {"captions": {row: one.gap for row, one in card.reasons.items()}}, "Insertion - deletion, in each order"
    )
    costs = {row: one.log_prob for row, one in card.replaced.items()}
    _bars(matters, {"lost": costs}, "Nats a word lost where maps are replaced")
    when.set_title("Lift, in words from the one that names the object")
    when.set_xticks(range(-2, 3))
    for level, draw in ((1, right.axvline), (1, when.axhline), (0, reason.axvline), (0, matters.axvline)):
        draw(level, color="#555555", linewidth=1)
    for panel in (right, when, reason, matters):
        panel.grid(color="#dddddd")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    if card.lag:
        when.legend(frameon=False)
    figure.suptitle(textwrap.fill(title, 100))
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=130)
    pyplot.close(figure)


def _bars(panel: Any, series: Mapping[str, Mapping[str, Estimate | None]], title: str) -> None:
    """A group of bars for each row, one for each series that has it; the first row on top."""
    rows = list(dict.fromkeys(row for found in series.values() for row in found))
    height = 0.8 / max(1, len(series))
    for number, (name, found) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * height
        there = {rows.index(row) + shift: one for row, one in found.items() if one is not None}
        panel.barh(
            list(there),
            [one.value for one in there.values()],
            xerr=_errors(list(there.values())),
            height=height,
            color=_COLOURS[name],
            error_kw={"ecolor": "#333333", "elinewidth": 1},
        )
    panel.set_yticks(range(len(rows)), rows)
    panel.invert_yaxis()
    panel.set_title(title)


def _line(panel: Any, found: Mapping[int, Estimate], name: str) -> None:
    values = [one.value for one in found.values()]
    errors = _errors(list(found.values()))
    panel.errorbar(list(found), values, yerr=errors, marker="o", capsize=3, color=_COLOURS[name], label=name)


def _errors(found: Sequence[Estimate]) -> list[list[float]]:
    below = [max(0.0, one.value - one.low) for one in found]
    return [below, [max(0.0, one.high - one.value) for one in found]]
