"""An inspection as a figure: is the map right, where does it look when, is it the reason, and does it matter?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from captioner.bootstrap import Estimate
from captioner.files import replacing

_COLOURS = {"references": "#0072B2", "captions": "#D55E00"}


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

    figure, panels = pyplot.subplots(2, 2, figsize=(11, 7), layout="constrained")
    for name, found in card.agreement.items():
        _bars(panels[0, 0], {row: one.lift for row, one in found.items()}, name, len(card.agreement))
        lag = {offset: one.lift for offset, one in card.lag[name].items() if one.lift is not None}
        _errorbar(panels[0, 1], list(lag), list(lag.values()), name)
    _bars(panels[1, 0], {row: one.gap for row, one in card.reasons.items()}, "captions")
    _bars(panels[1, 1], {row: one.log_prob for row, one in card.replaced.items()}, "references")
    panels[0, 0].set_title("Lift on named objects (1: knows nothing)")
    panels[0, 0].axvline(1, color="#555555", linewidth=1)
    panels[0, 1].set_title("Lift, in words from the one that names the object")
    panels[0, 1].axhline(1, color="#555555", linewidth=1)
    panels[0, 1].set_xticks(range(-2, 3))
    panels[1, 0].set_title("Insertion - deletion, in the order of each map")
    panels[1, 0].axvline(0, color="#555555", linewidth=1)
    panels[1, 1].set_title("Nats a word lost where maps are replaced")
    panels[1, 1].axvline(0, color="#555555", linewidth=1)
    for panel in panels.flat:
        panel.grid(color="#dddddd")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    if card.agreement:
        panels[0, 1].legend(frameon=False)
    figure.suptitle(textwrap.fill(title, 110))
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=130)
    pyplot.close(figure)


def _bars(panel: Any, found: Mapping[str, Estimate | None], name: str, num_series: int = 1) -> None:
    """A bar a row, those of several series one below the other."""
    height = 0.8 / num_series
    shift = height if name == "captions" and num_series > 1 else 0
    rows = list(found)
    there = [(place, one) for place, one in enumerate(found.values()) if one is not None]
    panel.barh(
        [place + shift for place, _ in there],
        [one.value for _, one in there],
        xerr=_errors([one for _, one in there]),
        height=height,
        color=_COLOURS[name],
        error_kw={"ecolor": "#333333", "elinewidth": 1},
    )
    if len(rows) > len(panel.get_yticks()) or not panel.yaxis_inverted():
        panel.set_yticks([place + (num_series - 1) * height / 2 for place in range(len(rows))], rows)
        panel.yaxis.set_inverted(True)


def _errorbar(panel: Any, places: Sequence[int], found: Sequence[Estimate], name: str) -> None:
    values = [one.value for one in found]
    panel.errorbar(places, values, yerr=_errors(found), marker="o", capsize=3, color=_COLOURS[name], label=name)


def _errors(found: Sequence[Estimate]) -> list[list[float]]:
    below = [max(0.0, one.value - one.low) for one in found]
    return [below, [max(0.0, one.high - one.value) for one in found]]
