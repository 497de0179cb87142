"""The runs below a folder: data, parts, best score, progress and state, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from captioner import builder
from captioner.builder.loading import ABOUT
from captioner.data.contract import data_name
from captioner.errors import UserError
from captioner.training.checkpoints import BEST, NEWEST, checkpoint_state
from captioner.training.run_log import read_log

_COLUMNS = ("run", "data", "decoder", "attention", "best", "epoch", "written", "state")


@dataclass(frozen=True)
class Row:
    """One run, as texts."""

    cells: tuple[str, ...]
    written: float  # seconds since 1970


def table(folder: Path) -> Table:
    """The runs below a folder.

    Raises:
        UserError: there is none.
    """
    rows = sorted(_rows(folder), key=lambda row: -row.written)
    if not rows:
        raise UserError(f"no runs in {folder}; train one, or give the folder that holds your runs")
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, cells in zip(_COLUMNS, zip(*(row.cells for row in rows), strict=True), strict=True):
        longest = max(map(len, [name, *cells]))
        folds = name in ("run", "data", "decoder", "attention")  # where the terminal is narrow
        made.add_column(name, no_wrap=not folds, overflow="fold", min_width=min(10, longest) if folds else longest)
    for row in rows:
        made.add_row(*row.cells)
    return made


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.rglob(builder.SETTINGS)):
        run = path.parent
        name = run.name if run == folder else str(run.relative_to(folder))
        try:
            yield _row(run, name)
        except UserError:
            yield Row((name, *[""] * (len(_COLUMNS) - 2), "damaged"), path.stat().st_mtime)


def _row(run: Path, name: str) -> Row:
    settings = builder.read_run_settings(run)
    lines = read_log(run)
    validations = [line for line in lines if line["kind"] == "validation"]
    monitor = settings.run.monitor
    scores = [line[monitor] for line in validations if isinstance(line.get(monitor), int | float)]
    written = max([run.stat().st_mtime, *(line["time"] for line in lines[-1:])])
    parts: dict[str, Any] = settings.resolved
    score = parts["attention"].get("score", "additive")
    attention = parts["attention"]["kind"] + f":{score}" * (score != "additive")
    epoch = validations[-1].get("epoch", "?") if validations else 0
    if (run / BEST).exists():  # whose score may be below one in the log, if search or monitor have changed since
        state = checkpoint_state(run / BEST)
        scores = [state["scores"][monitor]] if monitor in state.get("scores", {}) else scores
        epoch = epoch if lines else state["progress"]["epoch"]  # a packed model has no log
    cells = (
        name,
        data_name(parts["data"]) or parts["data"]["kind"],
        parts["decoder"]["kind"],
        attention,
        _best(monitor, max(scores)) if scores else "-",
        f"{epoch}/{settings.run.epochs}",
        f"{datetime.fromtimestamp(written):%m-%d %H:%M}",
        _state(run),
    )
    return Row(cells, written)


def _best(monitor: str, score: float) -> str:
    return f"{100 * score:.1f}" if monitor == "CIDEr-D" else f"{monitor} {100 * score:.1f}"


def _state(run: Path) -> str:
    if not (run / NEWEST).exists():
        return "packed" if (run / ABOUT).exists() else "weights" if (run / BEST).exists() else "just begun"
    return "finished" if checkpoint_state(run / NEWEST)["progress"]["finished"] else "not finished"
