"""What several commands take, and what they do around long work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from captioner.layers.allocation import keep_memory
from captioner.progress import TerminalReport

Config = Annotated[Path, typer.Argument(help="a YAML of settings, such as configs/drawn.yaml")]
Run = Annotated[Path, typer.Argument(help="the folder that training wrote, such as runs/demo")]
Overrides = Annotated[list[str] | None, typer.Argument(help="settings to change: section.key=value ...")]
Instances = Annotated[Path | None, typer.Option(help="objects of the photos, as COCO has them: adds CHAIR")]
Java = Annotated[bool, typer.Option(help="score METEOR and SPICE where they can run")]
Clip = Annotated[
    str | None, typer.Option(help="a CLIP model's folder, or its name in the cache of transformers: adds CLIPScore")
]
TOKENS_HELP = "what cuts captions into words: ptb (coco-caption's), simple, whitespace, characters"


@contextmanager
def long_work() -> Iterator[TerminalReport]:
    """Progress on the terminal, and memory that is kept for the next step."""
    keep_memory()
    with TerminalReport() as report:
        yield report
