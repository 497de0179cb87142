"""`captioner serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[Path, typer.Option(help="the folder that training wrote, such as runs/demo")],
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 for all who reach this machine")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="the first free one from 7860 unless given")] = None,
) -> None:
    """Try a model on a web page; needs gradio, which the extra `demo` brings."""
    from captioner.commands import serve as command

    command.run(model, host, port)
