"""`captioner serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[Path, typer.Option(help="Run folder, such as runs/demo.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines connect.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port. Default: the first free one from 7860.")] = None,
) -> None:
    """Caption photos on a web page. Needs gradio: pip install -e '.\\[serve]'."""
    from captioner.commands import serve as command

    command.run(model, host, port)
