"""A comparison as tables, printed and saved."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from rich import box
from rich.table import Table

from captioner.commands.compare.comparison_figure import comparison_figure
from captioner.commands.compare.measurements import Line
from captioner.files import write_text_atomically, written_together
from captioner.visualize.figures import FORMATS

_NOTHING = "-"
_PARTS = {
    "CIDEr-D x100, mean ± deviation over seeds; difference from the first kind, with its 95 % interval over photos": [
        "CIDEr-D", "difference", "correct captions", "lift",
    ],
    "maps and cost": ["entropy", "sharpness", "map change", "parameters", "s per run", "ms per step", "ms per word"],
}  # fmt: skip
"""The columns of each table, by its title."""
_LEGEND = (
    "correct captions: share of captions of drawn pictures in which every named pair of colour and shape is an object of the picture. "
    "lift: weight of the map on the named object, divided by the weight of a uniform map there. entropy: of the map, divided by log R; 0 "
    "for one region, 1 for a uniform map. sharpness: the largest weight. map change: total variation distance between the maps of "
    "consecutive words, mean. s per run: training and validation on stored regions. ms per step: forward and backward of 16 photos, in "
    "fp32; per word: of their greedy decoding.\n"
    "-: not measured. The first kind has no difference; baselines have CIDEr-D only; without attention there are no maps; correct captions "
    "and lift need drawn pictures."
)


def save(folder: Path, lines: Sequence[Line], config: Path) -> None:
    """Write comparison.json, comparison.md, and the figure comparison.png, .pdf and .svg."""
    stored = {"config": str(config), "lines": [asdict(line) for line in lines]}
    names = ["kind", "split", *chain(*_PARTS.values())]
    rows = [names, ["---", "---", *["--:"] * (len(names) - 2)]]
    for line in lines:
        cells = _cells(line)
        rows.append([line.name, line.split, *(cells[name] for name in names[2:])])
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    titles = "".join(f"{title}.\n" for title in _PARTS)
    first_split = {line.name: line for line in lines if line.split == lines[0].split}
    with written_together(folder, ["comparison.md", *(f"comparison{ending}" for ending in FORMATS)]):
        write_text_atomically(folder / "comparison.json", json.dumps(stored, indent=1) + "\n")
        write_text_atomically(folder / "comparison.md", f"{text}\n{titles}{_LEGEND}\n")
        comparison_figure(folder / "comparison.png", first_split)


def tables(lines: Sequence[Line]) -> list[Table]:
    """Two tables for each split: scores, then maps and cost. Columns without a value are left out; 80 characters are enough."""
    splits = list(dict.fromkeys(line.split for line in lines))
    printed = [
        _table(f"{split}: {title}", names, [line for line in lines if line.split == split])
        for split in splits
        for title, names in _PARTS.items()
    ]
    printed[-1].caption = _LEGEND
    return printed


def _table(title: str, names: list[str], lines: list[Line]) -> Table:
    cells = {line.name: _cells(line) for line in lines}
    measured = [name for name in names if any(row[name] != _NOTHING for row in cells.values())]
    table = Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("kind", overflow="fold")
    for name in measured:
        table.add_column("\n".join(name.rsplit(" ", 1)), justify="right", no_wrap=True)
    for kind, row in cells.items():
        if any(row[name] != _NOTHING for name in measured):
            table.add_row(kind, *(row[name] for name in measured))
    return table


def _cells(line: Line) -> dict[str, str]:
    """The cells of a line, by column."""
    score = f"{100 * statistics.fmean(line.scores):.1f}"
    if len(line.scores) > 1:
        score += f" ± {100 * statistics.stdev(line.scores):.1f}"
    difference = _NOTHING
    if line.difference is not None:
        middle, low, high = (100 * value for value in line.difference)
        difference = f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
    return {
        "CIDEr-D": score,
        "difference": difference,
        "correct captions": _shown(line.right, ".1%"),
        "lift": _shown(line.lift, ".2f"),
        "entropy": _shown(line.entropy, ".2f"),
        "sharpness": _shown(line.sharpness, ".2f"),
        "map change": _shown(line.change, ".2f"),
        "parameters": _shown(line.parameters, ","),
        "s per run": _shown(line.seconds, ".0f"),
        "ms per step": _shown(line.step_ms, ".1f"),
        "ms per word": _shown(line.word_ms, ".2f"),
    }


def _shown(value: float | None, spec: str) -> str:
    return _NOTHING if value is None else format(value, spec)
