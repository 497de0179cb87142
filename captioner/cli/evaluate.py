"""`captioner evaluate`, also `captioner eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import MostPixels
from captioner.cli.options import TOKENS_HELP, Clip, Instances, Java, Overrides, Run, long_work, model_and_overrides
from captioner.progress import console

Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the results. Default: RUN/SPLIT, or RUN/SPLIT-ROOT for other data than the run's."),
]


def evaluate(
    run: Run = None,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="train, val, test, or another split of the data.")] = "val",
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Another run, which decodes with this one as an ensemble. Repeatable."),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            help=f"{TOKENS_HELP}. Default: ptb; for models of data.tokens=whitespace or characters, their own."
        ),
    ] = None,
    instances: Instances = None,
    java: Java = True,
    clip: Clip = None,
    out: Out = None,
    page: Annotated[
        bool, typer.Option(help="Write report.html: every photo with its caption and maps, worst first.")
    ] = True,
    most_pixels: MostPixels = None,
) -> None:
    """Caption a split, score the captions, and write results.json, scores.json and report.html. `eval` is short for it."""
    from captioner.commands import evaluate as command

    model, changes = model_and_overrides(run, overrides)
    with long_work() as report:
        system = command.evaluate(
            model,
            split,
            changes,
            report,
            java=java,
            tokens=tokens,
            instances=instances,
            others=others or [],
            clip=clip,
            out=out,
        )
    if system.rows:
        command.print_scores(system, java)
    else:
        console.print(f"{split} has no references: the captions were written but not scored")
    if page:
        command.save_page(system)
    console.print(f"written: {system.folder}/", soft_wrap=True)
