"""`captioner compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import Overrides, long_work
from captioner.progress import console


def compare(
    config: Annotated[Path, typer.Argument(help="the recipe that all share, such as configs/compare_drawn.yaml")],
    overrides: Overrides = None,
    attention: Annotated[
        str,
        typer.Option(
            help="kind, kind:score or decoder/kind, with commas: soft:dot,multi_head+heads=4,transformer+layers=2/multi_head"
        ),
    ] = "soft:additive,soft:dot,multi_head",
    seeds: Annotated[int, typer.Option(min=1, help="runs of each")] = 3,
    split: Annotated[str, typer.Option(help="splits to score on, with commas")] = "val",
    folder: Annotated[Path | None, typer.Option(help="where runs and table are written")] = None,
) -> None:
    """Train kinds of attention on one recipe and compare them; the same command again goes on where it stopped."""
    from captioner.commands import compare as comparison

    where = folder or Path("runs") / config.stem
    names, splits = comparison.check_names(attention), [name.strip() for name in split.split(",")]
    with long_work() as report:
        lines = comparison.compare(config, names, seeds, where, splits, overrides or [], report)
    comparison.save(where, lines, config)
    console.print(*comparison.tables(lines), sep="\n")
    console.print(f"written: {where}/comparison.md, .json and .png", soft_wrap=True)
