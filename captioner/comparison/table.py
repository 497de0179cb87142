"""A comparison as a table, printed and saved."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.table import Table

from captioner.comparison.lines import Line
from captioner.files import write_text_atomically
from captioner.visualize.comparison import comparison_figure

_TITLE = "CIDEr-D x100: mean and standard deviation over seeds; less the first's, with its 95 % interval over photos"
_DASH = (
    "- means not measured: the first kind's difference to itself; all but CIDEr-D of a baseline; maps of what does not look; "
    "right and lift where pictures were not drawn"
)
_COLUMNS = [
    "kind", "split", "CIDEr-D", "difference", "right", "lift", "entropy", "sharpness", "change", "parameters", "ms a step", "ms a word",
]  # fmt: skip


def save(folder: Path, lines: Sequence[Line], config: Path) -> None:
    """Numbers as json, the table as Markdown, and the figure."""
    stored = {"config": str(config), "lines": [asdict(line) for line in lines]}
    write_text_atomically(folder / "comparison.json", json.dumps(stored, indent=1) + "\n")
    rows = [_COLUMNS, ["---", "---", *["--:"] * (len(_COLUMNS) - 2)], *map(_cells, lines)]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    write_text_atomically(folder / "comparison.md", f"{text}\n{_DASH}\n")
    comparison_figure(folder / "comparison.png", {line.name: line for line in lines if line.split == lines[0].split})


def table(lines: Sequence[Line]) -> Table:
    printed = Table(title=_TITLE, caption=_DASH, caption_justify="left", box=box.SIMPLE)
    for name in _COLUMNS:
        printed.add_column(name, justify="left" if name in _COLUMNS[:2] else "right")
    for line in lines:
        printed.add_row(*_cells(line))
    return printed


def _cells(line: Line) -> list[str]:
    score = f"{100 * statistics.fmean(line.scores):.1f}"
    if len(line.scores) > 1:
        score += f" ± {100 * statistics.stdev(line.scores):.1f}"
    difference = "-"
    if line.difference is not None:
        middle, low, high = (100 * value for value in line.difference)
        difference = f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
    maps = [_shown(value, ".2f") for value in (line.lift, line.entropy, line.sharpness, line.change)]
    costs = [_shown(line.parameters, ","), _shown(line.step_ms, ".1f"), _shown(line.word_ms, ".2f")]
    return [line.name, line.split, score, difference, _shown(line.right, ".1%"), *maps, *costs]


def _shown(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
