"""The results of an inspection as a figure: is the map on the object, and when; is it the reason; does it matter?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from captioner.commands.inspect.compared_maps import CENTRE
from captioner.metrics.bootstrap import Estimate
from captioner.visualize.figures import FORMATS, figure_file, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

_LEVEL, _ERROR = "#777777", "#222222"
_COLOURS = {"references": "#0072B2", "captions": "#D55E00", "lost": "#009E73"}
_ASIDE = 0.08
SIZE = 15, 7.4  # inches


class Inspected(Protocol):
    """The numbers that are drawn."""

    @property
    def agreement(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def gains(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]: ...

    @property
    def lag(self) -> Mapping[str, Mapping[int, Any]]: ...

    @property
    def reasons(self) -> Mapping[str, Any]: ...

    @property
    def replaced(self) -> Mapping[str, Any]: ...


def card_figure(path: Path, card: Inspected, title: str) -> None:
    """Write six panels with 95 % intervals as PNG, PDF and SVG."""
    with figure_file(path, *SIZE, FORMATS) as figure:
        draw_card(figure, card, title)


def draw_card(figure: Figure, card: Inspected, title: str) -> None:
    """Draw the six panels."""
    (agreement, lift, pointing), (lag, deletion, replaced) = figure.subplots(2, 3)
    lifts = {name: {row: item.lift for row, item in by_map.items()} for name, by_map in card.agreement.items()}
    _bars(agreement, lifts, 1)
    agreement.set(title="Is the map on the named object?", xlabel="lift (uniform map: 1)")
    _bars(lift, _over_centre(card, lambda gain: gain.lift), 0)
    lift.set(title="More than the photo's centre?", xlabel="lift minus the centre's")
    _bars(pointing, _over_centre(card, lambda gain: gain.pointing), 0)
    pointing.set(title="Does it point better than the centre?", xlabel="pointing minus the centre's")
    for number, (name, by_offset) in enumerate(card.lag.items()):
        aside = _ASIDE * (number - (len(card.lag) - 1) / 2)  # so that equal curves are both seen
        _line(lag, {offset + aside: item.lift for offset, item in by_offset.items() if item.lift is not None}, name)
    lag.axhline(1, color=_LEVEL, linestyle="--")
    lag.set(title="When is it on the object?", xlabel="words after the one that names it", ylabel="lift")
    lag.set_xticks(range(-2, 3))
    _bars(deletion, {"captions": {row: areas.gap for row, areas in card.reasons.items()}}, 0)
    deletion.set(title="Is the map the reason?", xlabel="insertion - deletion, regions in the map's order")
    _bars(replaced, {"lost": {row: cost.log_prob for row, cost in card.replaced.items()}}, 0)
    replaced.set(title="Does the map matter?", xlabel="nats per word lost with these maps")
    replaced.locator_params(axis="x", nbins=5)  # wide numbers
    for panel in (agreement, lift, pointing, lag, deletion, replaced):
        plain(panel)
    figure.legend(handles=_keys(card), loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(title)


def _over_centre(card: Inspected, number: Callable[[Any], Estimate | None]) -> dict[str, dict[str, Estimate | None]]:
    """A number of what each map gains over the photo's centre, by text and map."""
    return {
        name: {row: number(by_other[CENTRE]) for row, by_other in by_map.items()} for name, by_map in card.gains.items()
    }


def _keys(card: Inspected) -> list[Patch | Line2D]:
    """What the colours and lines of all panels mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = {"references": "maps of references", "captions": "maps of the model's captions", "lost": "maps replaced"}
    drawn = [*card.agreement, *card.lag, *(["captions"] if card.reasons else []), *(["lost"] if card.replaced else [])]
    colours: list[Patch | Line2D] = [Patch(color=_COLOURS[name], label=names[name]) for name in dict.fromkeys(drawn)]
    interval = Line2D([], [], color=_ERROR, linewidth=1.2, marker="|", markersize=7, label="95 % interval")
    return [*colours, interval, Line2D([], [], color=_LEVEL, linestyle="--", label="no effect")]


def _bars(panel: Axes, series: Mapping[str, Mapping[str, Estimate | None]], level: float) -> None:
    """A group of bars for each row, with a bar for each series, and a line at the level of no effect; the first row is on top."""
    rows = list(dict.fromkeys(row for estimates in series.values() for row in estimates))
    height = 0.8 / max(1, len(series))
    for number, (name, estimates) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * height
        bars = {rows.index(row) + shift: estimate for row, estimate in estimates.items() if estimate is not None}
        panel.barh(
            list(bars),
            [estimate.value for estimate in bars.values()],
            xerr=_errors(list(bars.values())),
            height=height,
            color=_COLOURS[name],
            error_kw={"ecolor": _ERROR, "elinewidth": 1.2, "capsize": 2.5},
        )
    panel.set_yticks(range(len(rows)), rows)
    panel.invert_yaxis()
    panel.axvline(level, color=_LEVEL, linestyle="--")


def _line(panel: Axes, estimates: Mapping[float, Estimate], name: str) -> None:
    values = [estimate.value for estimate in estimates.values()]
    errors = _errors(list(estimates.values()))
    panel.errorbar(list(estimates), values, yerr=errors, marker="o", capsize=3, color=_COLOURS[name], label=name)


def _errors(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Lengths of the error bars, below and above the values."""
    below = [max(0.0, estimate.value - estimate.low) for estimate in estimates]
    return [below, [max(0.0, estimate.high - estimate.value) for estimate in estimates]]
