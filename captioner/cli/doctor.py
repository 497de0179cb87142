"""`captioner doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from captioner.cli import MostPixels, Overwrite
from captioner.cli.options import Config, Overrides
from captioner.errors import shortened
from captioner.progress import TerminalReport, console


def doctor(
    config: Config,
    overrides: Overrides = None,
    leave_out: Annotated[
        Path | None,
        typer.Option(help="Write the training photos with a copy in another split to this file, for data.leave_out."),
    ] = None,
    overwrite: Overwrite = False,
    most_pixels: MostPixels = None,
) -> None:
    """Check a data set before training: photos, captions, splits, vocabulary. Ends with status 1 if a finding is bad."""
    from captioner.readers import find_config

    find_config(config)  # before torch is imported
    from captioner.commands.outputs import check_outputs

    check_outputs({"": leave_out}, [], [config], overwrite)
    from captioner import builder
    from captioner.commands import doctor as command

    with TerminalReport() as report:
        findings, sizes = command.diagnose(config, overrides or [], report)
    for name, value in sizes.items():
        if name == "parts":
            console.print(_table(value))
            continue
        shown = ", ".join(f"{split} {count:,}" for split, count in value.items()) if isinstance(value, dict) else value
        console.print(f"{name}: {shown}", soft_wrap=True)
    for finding in findings:
        mark = Text("bad ", style="red") if finding.bad else Text("note", style="yellow")
        share = f"{finding.count:,} of {finding.of:,} ({finding.count / max(1, finding.of):.1%})"
        console.print(mark, f"{finding.what}: {share}", soft_wrap=True)
        for example in finding.examples:
            console.print(f"       {shortened(str(example), 300)}", soft_wrap=True)
        if finding.advice:
            console.print(f"       {finding.advice}", soft_wrap=True)
    if leave_out is not None:
        count = command.write_leave_out(leave_out, findings, builder.read(config, overrides or []).data.leave_out)
        photos = f"{count:,} photo{'s' * (count != 1)}"
        console.print(
            f"written: {leave_out}, {photos}; to train without them: data.leave_out={leave_out}", soft_wrap=True
        )
    num_bad = sum(finding.bad for finding in findings)
    if num_bad:
        verdict = Text("not ready to train", style="red")
        console.print(Text.assemble(verdict, f": {num_bad} of these findings are bad; fix them first"))
        sys.exit(1)
    console.print("ready to train" + (": the notes do not prevent training" if findings else ": no findings"))


def _table(rows: list[dict[str, str]]) -> Table:
    """A table of the parts of joined data."""
    printed = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(rows[0]):
        printed.add_column(name, justify="right" if index else "left")
    for row in rows:
        printed.add_row(*row.values())
    return printed
