"""`--share`: how the page is reached from another machine. No tunnel is opened, and no service of others is used."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from captioner.visualize.notebook import in_jupyter


def colab() -> Any:
    """The module of Google Colab that shows pages of its machine, in one of its notebooks; None elsewhere, also in a shell there."""
    if not in_jupyter():
        return None
    try:
        from google.colab import output  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return output


def show_in_colab(output: Any, port: int, also: set[str]) -> None:
    """Show the page below the cell, through Colab's own proxy, whose name is added to those that are answered."""
    address = urlsplit(output.eval_js(f"google.colab.kernel.proxyPort({port})"))
    if address.hostname:
        also.add(address.hostname)
    output.serve_kernel_port_as_iframe(port, height=900)


def how_to_forward(port: int) -> str:
    """One line that says how to reach a page that listens on this machine alone."""
    return (
        f"to open it on your own machine, run there: ssh -N -L {port}:127.0.0.1:{port} USER@{socket.gethostname()} "
        f"and open http://127.0.0.1:{port}"
    )
