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

_TITLE = "{}: CIDEr-D x100, mean and deviation over seeds; difference to the first, 95 % interval"
_COSTS = "{}: maps, and what a kind costs"
_DASH = (
    "- means not measured: the first kind's difference to itself; all but CIDEr-D of a baseline; maps of what does not look; "
    "right and lift where pictures were not drawn"
)
_SCORES = ["CIDEr-D", "difference", "right", "lift"]
_MAPS_AND_COSTS = ["entropy", "sharpness", "change", "parameters", "s a run", "ms a step", "ms a word"]


def save(folder: Path, lines: Sequence[Line], config: Path) -> None:
    """Numbers as json, the table as Markdown, and the figure."""
    stored = {"config": str(config), "lines": [asdict(line) for line in lines]}
    write_text_atomically(folder / "comparison.json", json.dumps(stored, indent=1) + "\n")
    names = ["kind", "split", *_SCORES, *_MAPS_AND_COSTS]
    rows = [names, ["---", "---", *["--:"] * (len(names) - 2)]]
    rows += [[line.name, line.split, *_cells(line).values()] for line in lines]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    write_text_atomically(folder / "comparison.md", f"{text}\n{_DASH}\n")
    comparison_figure(folder / "comparison.png", {line.name: line for line in lines if line.split == lines[0].split})


def tables(lines: Sequence[Line]) -> list[Table]:
    """For each split its scores, then its maps and costs, without columns in which nothing was measured; 80 columns hold them."""
    splits = list(dict.fromkeys(line.split for line in lines))
    printed = [
        _table(title.format(split), names, [line for line in lines if line.split == split])
        for split in splits
        for title, names in ((_TITLE, _SCORES), (_COSTS, _MAPS_AND_COSTS))
    ]
    printed[-1].caption = _DASH
    return printed


def _table(title: str, names: list[str], lines: list[Line]) -> Table:
    cells = {line.name: _cells(line) for line in lines}
    known = [name for name in names if any(row[name] != "-" for row in cells.values())]
    table = Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("kind", overflow="fold")
    for name in known:
        table.add_column(name.replace(" a ", " a\n"), justify="right", no_wrap=True)
    for kind, row in cells.items():
        if any(row[name] != "-" for name in known):
            table.add_row(kind, *(row[name] for name in known))
    return table


def _cells(line: Line) -> dict[str, str]:
    score = f"{100 * statistics.fmean(line.scores):.1f}"
    if len(line.scores) > 1:
        score += f" ± {100 * statistics.stdev(line.scores):.1f}"
    difference = "-"
    if line.difference is not None:
        middle, low, high = (100 * value for value in line.difference)
        difference = f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
    maps = [_shown(value, ".2f") for value in (line.lift, line.entropy, line.sharpness, line.change)]
    costs = [
        _shown(line.parameters, ","),
        _shown(line.seconds, ".0f"),
        _shown(line.step_ms, ".1f"),
        _shown(line.word_ms, ".2f"),
    ]
    values = [score, difference, _shown(line.right, ".1%"), *maps, *costs]
    return dict(zip([*_SCORES, *_MAPS_AND_COSTS], values, strict=True))


def _shown(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
