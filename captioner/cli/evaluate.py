"""`captioner evaluate`, also `captioner eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli.options import TOKENS_HELP, Clip, Instances, Java, Overrides, Run, long_work
from captioner.progress import console


def evaluate(
    run: Run,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="train, val, test, or another split of the data")] = "val",
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="another run that writes with this one, as an ensemble; may stand several times"),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(help=f"{TOKENS_HELP}; ptb unless the model writes characters, or words that came tokenised"),
    ] = None,
    instances: Instances = None,
    java: Java = True,
    clip: Clip = None,
    page: Annotated[
        bool, typer.Option(help="write report.html: every photo with its caption and maps, worst first")
    ] = True,
) -> None:
    """Decode a split, score it, and write results.json, scores.json and report.html into the run's folder."""
    from captioner.commands import evaluate as command

    with long_work() as report:
        found = command.evaluate(
            run,
            split,
            overrides or [],
            report,
            java=java,
            tokens=tokens,
            instances=instances,
            others=others or [],
            clip=clip,
        )
    if found.rows:
        command.print_scores(found, java)
    else:
        console.print(f"{split} has no references: captions were written, and not scored")
    if page:
        command.save_page(found)
    console.print(f"written: {found.folder}/", soft_wrap=True)
