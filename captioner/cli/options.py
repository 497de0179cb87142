"""Options that several commands share, and the set-up of long work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from captioner.errors import Terminal
from captioner.progress import TerminalReport
from captioner.text.tokens import TOKENS

Config = Annotated[
    Path,
    typer.Argument(
        help="Config: a YAML file of settings, such as configs/drawn.yaml, or the name of one that comes with the program, such as drawn."
    ),
]
Run = Annotated[
    str | None,
    typer.Argument(
        help="Folder of a model, such as runs/demo. Default: natural, the bundled model.", show_default=False
    ),
]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings to change: section.key=value ...")]
Instances = Annotated[Path | None, typer.Option(help="Objects in the photos, in COCO's instances format. Adds CHAIR.")]
Java = Annotated[bool, typer.Option(help="Compute METEOR and SPICE if Java is installed.")]
Clip = Annotated[
    str | None,
    typer.Option(help="Folder of a CLIP model, or its name in the cache of transformers. Adds CLIPScore."),
]
_SETTING = re.compile(r"\w+\.\w+\s*=")
TOKENS_HELP = f"Tokeniser for scoring: {', '.join(TOKENS)}; ptb is coco-caption's"


def model_and_overrides(run: str | None, overrides: Sequence[str] | None) -> tuple[Path, list[str]]:
    """The folder of the chosen model, and the settings to change; without a model, the first argument may be a setting."""
    from captioner import builder

    changes = list(overrides or [])
    if run is not None and _SETTING.match(run) and not Path(run).exists():
        run, changes = None, [run, *changes]
    return builder.model_folder(run), changes


def first_use(model: Path, name: str) -> str:
    """The command that uses a model, by its name, for the first time."""
    from captioner import builder

    if builder.read_run_settings(builder.model_folder(model)).encoder.kind == "region_files":
        return f"captioner eval {quote(name)} data.root=PATH encoder.folder=REGIONS"
    return f"captioner caption photo.jpg --model {quote(name)}"


@contextmanager
def long_work() -> Iterator[TerminalReport]:
    """Show progress on the terminal, and keep freed memory for the next step."""
    from captioner.layers.allocation import keep_memory

    keep_memory()
    Terminal.writes_files = True
    with TerminalReport() as report:
        yield report
