"""Commands that look before anything is trained: at the data, and at what a config becomes."""

from __future__ import annotations

import sys

from captioner.cli.options import Config, Overrides
from captioner.progress import Reporter, console


def doctor(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Check a data set before training on it: photos, captions, splits, vocabulary. Ends with status 1 where something is bad."""
    from captioner import photos

    with Reporter() as report:
        findings, sizes = photos.diagnose(config, overrides or [], report)
    for name, value in sizes.items():
        shown = ", ".join(f"{split} {count:,}" for split, count in value.items()) if isinstance(value, dict) else value
        console.print(f"{name}: {shown}", soft_wrap=True)
    for finding in findings:
        mark = "[red]bad[/]  " if finding.bad else "[yellow]note[/] "
        share = f"{finding.count:,} of {finding.of:,} ({finding.count / max(1, finding.of):.1%})"
        console.print(f"{mark}{finding.what}: {share}", soft_wrap=True)
        for example in finding.examples:
            console.print(f"       {example}", soft_wrap=True, markup=False)
    if not findings:
        console.print("nothing to say against it")
    if any(finding.bad for finding in findings):
        sys.exit(1)


def describe(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Say what a config becomes: each part, its file, its parameters, and the shapes that flow through it."""
    from captioner import describe as parts

    found, notes = parts.describe(config, overrides or [])
    console.print(parts.table(found))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
