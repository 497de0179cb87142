"""`captioner serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a model, such as runs/demo. Default: natural, the bundled model.", show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines connect.")] = "127.0.0.1",
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another run folder, whose captions are shown beside the first's. Repeatable."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port. Default: the first free one from 7860.")
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Say how to open the page from another machine. No tunnel is opened.")
    ] = False,
) -> None:
    """Caption photos on a web page. Needs gradio, the extra `serve`."""
    from captioner.commands import serve as command

    command.run(model, host, port, beside or [], share)
