"""`captioner doctor`."""

from __future__ import annotations

import sys

from rich.text import Text

from captioner.cli import MostPixels
from captioner.cli.options import Config, Overrides
from captioner.progress import TerminalReport, console


def doctor(
    config: Config,
    overrides: Overrides = None,
    most_pixels: MostPixels = None,
) -> None:
    """Check a data set before training: photos, captions, splits, vocabulary. Ends with status 1 if a finding is bad."""
    from captioner.readers import find_config

    find_config(config)  # before torch is imported
    from captioner.commands import doctor as command

    with TerminalReport() as report:
        findings, sizes = command.diagnose(config, overrides or [], report)
    for name, value in sizes.items():
        shown = ", ".join(f"{split} {count:,}" for split, count in value.items()) if isinstance(value, dict) else value
        console.print(f"{name}: {shown}", soft_wrap=True)
    for finding in findings:
        mark = Text("bad ", style="red") if finding.bad else Text("note", style="yellow")
        share = f"{finding.count:,} of {finding.of:,} ({finding.count / max(1, finding.of):.1%})"
        console.print(mark, f"{finding.what}: {share}", soft_wrap=True)
        for example in finding.examples:
            console.print(f"       {example}", soft_wrap=True)
        if finding.advice:
            console.print(f"       {finding.advice}", soft_wrap=True)
    num_bad = sum(finding.bad for finding in findings)
    if num_bad:
        verdict = Text("not ready to train", style="red")
        console.print(Text.assemble(verdict, f": {num_bad} of these findings are bad; fix them first"))
        sys.exit(1)
    console.print("ready to train" + (": the notes do not prevent training" if findings else ": no findings"))
