"""Curves of training runs, from their logs: the objective, validation scores, and the shape of maps, over steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.commands.outputs import check_outputs
from captioner.errors import UserError
from captioner.files import existing
from captioner.progress import console
from captioner.training.run_log import LOG, read_log
from captioner.visualize.figures import FORMATS, figure_file, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":")
_LEGEND_COLUMNS = 3
MOST_RUNS = len(_COLOURS) * len(_DASHES)
_NOT_TERMS = {"kind", "step", "time", "epoch", "seconds", "learning_rate", "gradient_norm"}
_MARKERS = "os^Dv<>"
_WIDEST, _THINNEST, _THIN = 3.2, 1.4, 0.7
"""Lines of the first and the last run: where curves lie on one another, the first shows on both sides of those drawn later."""
_SMOOTHED, _SMOOTHED_PART = 5, 40  # the running mean is over so many points, or over this part of them if that is more
VALIDATED: dict[str, tuple[str, str, float]] = {
    "CIDEr-D": ("CIDEr-D", "CIDEr-D x100", 100),
    "BLEU-4": ("BLEU-4", "BLEU-4 x100", 100),
    "map_entropy": ("Entropy of maps", "entropy / log R (uniform: 1)", 1),
    "map_change": ("Change of maps", "total variation, word to word", 1),
    "distinct_captions": ("Distinct captions", "share of the photos", 1),
}
"""Values of a validation that are drawn: title, what the axis says, and factor."""


@dataclass(frozen=True)
class Curves:
    """The curves of one run: (step, value) by name."""

    objective: str  # its first term: the loss, or a reward
    terms: list[tuple[int, float]] = field(default_factory=list)
    validated: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def run(folders: Sequence[Path], outs: Sequence[Path], overwrite: bool = False) -> None:
    """Draw the curves of runs, one figure into each file of `outs`.

    Raises:
        UserError: a folder has no log or nothing in it, there are too many, or a file has an ending that is not written.
    """
    for out in outs:
        if out.suffix.lower() not in FORMATS:
            raise UserError(f"curves are written as {', '.join(FORMATS)}, got {out.name!r}; choose such a name")
        if existing(out) == out.absolute() and out.is_dir():
            raise UserError(f"--out is a file, got the folder {out}; give a name in it, such as {out / 'curves.png'}")
    check_outputs({}, outs, [], overwrite)
    if not 0 < len(folders) <= MOST_RUNS:
        raise UserError(f"one figure holds up to {MOST_RUNS} runs, got {len(folders)}; give fewer at a time")
    curves = {name: read_curves(folder) for name, folder in named(folders).items()}
    for out in outs:
        save(out, curves)
        console.print(f"written: {out}", soft_wrap=True)


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Runs by the shortest ends of their paths that tell them apart."""
    paths = list(dict.fromkeys(folder.resolve() for folder in folders))
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, paths, strict=True))


def read_curves(folder: Path) -> Curves:
    """The curves in a run's log. A line that is being written is left out.

    Raises:
        UserError: there is no log, or no step in it.
    """
    log = folder / LOG
    if not log.exists():
        raise UserError(f"no training log at {log}; give the folder of a run that was trained here, such as runs/demo")
    rows = read_log(folder)
    trained = [row for row in rows if row["kind"] == "train"]
    terms = [name for row in trained[:1] for name in row if name not in _NOT_TERMS]
    if not terms:
        raise UserError(f"{log} has no training step yet; wait until the first steps are logged")
    curves = Curves(terms[0], _points(trained, terms[0]))
    validations = [row for row in rows if row["kind"] == "validation"]
    for name in VALIDATED:
        if points := _points(validations, name):
            curves.validated[name] = points
    return curves


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> list[tuple[int, float]]:
    """The finite values; a value that is not finite is null in the log."""
    return [(row["step"], row[name]) for row in rows if isinstance(row.get(name), int | float)]


def save(path: Path, curves: Mapping[str, Curves]) -> None:
    """Write the figure: a panel for each objective and each value that a validation of some run has."""
    objectives = dict.fromkeys(own.objective for own in curves.values())
    validated = [name for name in VALIDATED if any(name in own.validated for own in curves.values())]
    count = len(objectives) + len(validated)
    columns = min(3, count)
    rows = -(-count // columns)
    with figure_file(path, 4 * columns, 2.9 * rows + 0.25 * -(-(2 + len(curves)) // _LEGEND_COLUMNS)) as figure:
        panels = iter(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
        for objective in objectives:
            _draw_terms(next(panels), objective, curves)
        for name in validated:
            _draw_validated(next(panels), name, curves)
        for empty in panels:
            empty.set_axis_off()
        _add_legend(figure, curves)


def _draw_terms(panel: Axes, objective: str, curves: Mapping[str, Curves]) -> None:
    def draw(own: Curves, look: dict[str, Any]) -> None:
        if own.objective == objective:
            steps, values = zip(*own.terms, strict=True)
            look["marker"] = ""
            panel.plot(steps, smoothed(values), **look)
            look |= {"linewidth": _THIN, "alpha": 0.5, "zorder": 1.5}  # below all running means
            panel.plot(steps, values, **look)

    _each(curves, draw)
    name = objective.replace("_", " ")
    _finish(panel, f"Training: {name}", name)


def _draw_validated(panel: Axes, name: str, curves: Mapping[str, Curves]) -> None:
    title, unit, factor = VALIDATED[name]

    def draw(own: Curves, look: dict[str, Any]) -> None:
        if name in own.validated:
            steps, values = zip(*own.validated[name], strict=True)
            panel.plot(steps, [factor * value for value in values], **look)

    _each(curves, draw)
    _finish(panel, title, unit)


def _finish(panel: Axes, title: str, unit: str) -> None:
    panel.set(title=title, xlabel="step", ylabel=unit)
    panel.tick_params(labelbottom=True)  # panels share their steps, but those above an empty one need them too
    plain(panel)


def _each(curves: Mapping[str, Curves], draw: Callable[[Curves, dict[str, Any]], None]) -> None:
    for number, own in enumerate(curves.values()):
        draw(own, _look(number, len(curves)))


def _look(number: int, count: int) -> dict[str, Any]:
    """Colour, dashes, marker and width of a run out of `count`, different for each."""
    kind = number % len(_COLOURS)
    width = _WIDEST + (_THINNEST - _WIDEST) * (number / (count - 1) if count > 1 else 0.5)
    return {
        "color": _COLOURS[kind],
        "linestyle": _DASHES[number // len(_COLOURS)],
        "marker": _MARKERS[kind],
        "markersize": 3 + width,
        "linewidth": width,
    }


def _add_legend(figure: Figure, curves: Mapping[str, Curves]) -> None:
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], label=name, **_look(number, len(curves))) for number, name in enumerate(curves)]
    keys.append(Line2D([], [], color="#777777", linewidth=_THIN, label="thin: logged steps; thick: their running mean"))
    if any(own.validated for own in curves.values()):
        keys.append(Line2D([], [], color="#777777", marker="o", linestyle="", label="marks: validations"))
    figure.legend(handles=keys, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)


def smoothed(values: Sequence[float]) -> list[float]:
    """The mean around each point, over the same few points on either side; near the ends over those that there are."""
    reach = max(_SMOOTHED, len(values) // _SMOOTHED_PART) // 2
    parts = [values[max(0, index - reach) : index + reach + 1] for index in range(len(values))]
    return [sum(part) / len(part) for part in parts]
