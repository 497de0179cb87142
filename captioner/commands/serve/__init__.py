"""A web page to try a model: photos in, captions with their maps out.

answers.py  what a request may ask for, and what it gets; knows nothing of the web
decoding.py what can be chosen about decoding
page.py     the page itself, in gradio
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

from captioner import builder
from captioner.commands.serve.requests import Allowed, Answer, Service
from captioner.commands.serve.web_page import gradio_library, make_page, start
from captioner.progress import console

__all__ = ["Allowed", "Answer", "Service", "make_page", "run"]


def run(model: Path, host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve a run until it is interrupted; photos and results lie in a folder that goes when it ends.

    Args:
        model: The folder that training wrote.
        host: The address to listen on; 0.0.0.0 for everyone who can reach this machine.
        port: Of the address; the first free one from 7860 unless given.

    Raises:
        UserError: gradio is not installed, there is no such run, or the address cannot be taken.
    """
    gradio_library()  # complains before the model is read
    service = Service(model, builder.load(model))
    with tempfile.TemporaryDirectory(prefix="captioner-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # where gradio keeps what is sent
        app = start(make_page(service, Path(folder)), service.allowed, host, port)
        console.print(f"{model} is served at {app.local_url} until Ctrl+C", soft_wrap=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            console.print("everyone who can reach this address can send photos: there is no password", soft_wrap=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder goes then too
        app.block_thread()
