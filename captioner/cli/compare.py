"""`captioner compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import MostPixels
from captioner.cli.options import Overrides, long_work
from captioner.progress import console


def compare(
    config: Annotated[Path, typer.Argument(help="Config that all variants share, such as configs/compare_drawn.yaml.")],
    overrides: Overrides = None,
    attention: Annotated[
        str,
        typer.Option(
            help="Variants, with commas: kind, kind:score or decoder/kind, each with +key=value: "
            "soft:dot,multi_head+heads=4,transformer+layers=2/multi_head."
        ),
    ] = "soft:additive,soft:dot,multi_head",
    seeds: Annotated[int, typer.Option(min=1, help="Training runs of each variant.")] = 3,
    split: Annotated[str, typer.Option(help="Splits to score, with commas.")] = "val",
    folder: Annotated[
        Path | None, typer.Option(help="Folder for the runs and the table. Default: runs/ and the name of the config.")
    ] = None,
    most_pixels: MostPixels = None,
) -> None:
    """Train kinds of attention under one config and compare them. Run the same command again to resume."""
    from captioner.readers import find_config

    find_config(config)  # before torch is imported
    from captioner.commands import compare as comparison

    where = folder or Path("runs") / config.stem
    names, splits = comparison.check_names(attention), [name.strip() for name in split.split(",")]
    with long_work() as report:
        lines = comparison.compare(config, names, seeds, where, splits, overrides or [], report)
    comparison.save(where, lines, config)
    console.print(*comparison.tables(lines), sep="\n")
    console.print(f"written: {where}/comparison.md, .json, .png, .pdf and .svg", soft_wrap=True)
