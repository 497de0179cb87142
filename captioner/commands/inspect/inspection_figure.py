"""An inspection as a figure: is the map right, where does it look when, is it the reason, and does it matter?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from captioner.metrics.bootstrap import Estimate
from captioner.visualize.figures import figure_file, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVEL = "#555555"
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
    """Four panels with 95 % intervals, as PNG."""
    with figure_file(path, 11, 7) as figure:
        draw_card(figure, card, title)


def draw_card(figure: Figure, card: Inspected, title: str) -> None:
    """The four panels; a title may be as long as a verdict."""
    (right, when), (reason, matters) = figure.subplots(2, 2)
    lifts = {name: {row: one.lift for row, one in found.items()} for name, found in card.agreement.items()}
    _bars(right, lifts, 1)
    right.set(title="Is the map on the named object?", xlabel="lift (1: knows nothing)")
    for name, found in card.lag.items():
        _line(when, {offset: one.lift for offset, one in found.items() if one.lift is not None}, name)
    when.axhline(1, color=_LEVEL, linewidth=1)
    when.set(title="When is it on the object?", xlabel="words after the one that names it", ylabel="lift")
    when.set_xticks(range(-2, 3))
    _bars(reason, {"captions": {row: one.gap for row, one in card.reasons.items()}}, 0)
    reason.set(title="Is the map the reason?", xlabel="insertion - deletion, regions in this order")
    _bars(matters, {"lost": {row: one.log_prob for row, one in card.replaced.items()}}, 0)
    matters.set(title="Does the map matter?", xlabel="nats a word lost with these maps in its place")
    for panel in (right, when, reason, matters):
        plain(panel)
    if card.lag:
        when.legend(frameon=False)
    figure.suptitle(textwrap.fill(title.replace(", ", ",\N{NO-BREAK SPACE}"), 100))  # intervals stay in one line


def _bars(panel: Axes, series: Mapping[str, Mapping[str, Estimate | None]], level: float) -> None:
    """A group of bars for each row, one for each series that has it; the first row on top, and a line at the level that means nothing."""
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
    panel.axvline(level, color=_LEVEL, linewidth=1)


def _line(panel: Axes, found: Mapping[int, Estimate], name: str) -> None:
    values = [one.value for one in found.values()]
    errors = _errors(list(found.values()))
    panel.errorbar(list(found), values, yerr=errors, marker="o", capsize=3, color=_COLOURS[name], label=name)


def _errors(found: Sequence[Estimate]) -> list[list[float]]:
    below = [max(0.0, one.value - one.low) for one in found]
    return [below, [max(0.0, one.high - one.value) for one in found]]
