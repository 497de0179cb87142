"""A comparison as a table, printed and saved."""

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
from captioner.files import write_text_atomically

_NOTHING = "-"
_PARTS = {
    "CIDEr-D x100, mean ± deviation over seeds; difference to the first kind, with its 95 % interval over photos": [
        "CIDEr-D", "difference", "right", "lift",
    ],
    "maps, and what a kind costs": ["entropy", "sharpness", "change", "parameters", "s a run", "ms a step", "ms a word"],
}  # fmt: skip
"""What stands in one table, by its title."""
_LEGEND = (
    "right: captions of drawn pictures in which every colour and shape named is there. lift: attention on the named object over a uniform "
    "map's. entropy: 0 on one region, 1 if uniform. change: share of the weight that moves from word to word. s a run: training and "
    "validation, on stored regions. ms: forward and backward of 16 photos, and a word of their greedy decoding, in fp32.\n"
    "- means not measured: the first kind's difference to itself; all but CIDEr-D of a baseline; maps of what does not look; right and "
    "lift where pictures were not drawn"
)


def save(folder: Path, lines: Sequence[Line], config: Path) -> None:
    """Numbers as json, the table as Markdown, and the figure."""
    stored = {"config": str(config), "lines": [asdict(line) for line in lines]}
    write_text_atomically(folder / "comparison.json", json.dumps(stored, indent=1) + "\n")
    names = ["kind", "split", *chain(*_PARTS.values())]
    rows = [names, ["---", "---", *["--:"] * (len(names) - 2)]]
    for line in lines:
        cells = _cells(line)
        rows.append([line.name, line.split, *(cells[name] for name in names[2:])])
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    titles = "".join(f"{title}.\n" for title in _PARTS)
    write_text_atomically(folder / "comparison.md", f"{text}\n{titles}{_LEGEND}\n")
    comparison_figure(folder / "comparison.png", {line.name: line for line in lines if line.split == lines[0].split})


def tables(lines: Sequence[Line]) -> list[Table]:
    """For each split its scores, then its maps and costs, without columns in which nothing was measured; 80 columns hold them."""
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
    known = [name for name in names if any(row[name] != _NOTHING for row in cells.values())]
    table = Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("kind", overflow="fold")
    for name in known:
        table.add_column(name.replace(" a ", " a\n"), justify="right", no_wrap=True)
    for kind, row in cells.items():
        if any(row[name] != _NOTHING for name in known):
            table.add_row(kind, *(row[name] for name in known))
    return table


def _cells(line: Line) -> dict[str, str]:
    """What stands in a line, by its column."""
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
        "right": _shown(line.right, ".1%"),
        "lift": _shown(line.lift, ".2f"),
        "entropy": _shown(line.entropy, ".2f"),
        "sharpness": _shown(line.sharpness, ".2f"),
        "change": _shown(line.change, ".2f"),
        "parameters": _shown(line.parameters, ","),
        "s a run": _shown(line.seconds, ".0f"),
        "ms a step": _shown(line.step_ms, ".1f"),
        "ms a word": _shown(line.word_ms, ".2f"),
    }


def _shown(value: float | None, how: str) -> str:
    return _NOTHING if value is None else format(value, how)
