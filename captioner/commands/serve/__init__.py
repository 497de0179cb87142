"""A web page to try a model: upload photos, get captions with their maps.

requests.py  limits of a request, and its answer; independent of gradio
loaded.py    what is served: model, device, precision, terms
choices.py   decoding options on the page
web_page.py  the page, in gradio
page_extras.py  example photos to click, and a function for programs
allowed_hosts.py  refuses requests under other names than this machine's
sharing.py   how the page is reached from another machine
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from captioner import builder
from captioner.commands.serve.loaded import loaded
from captioner.commands.serve.requests import Allowed, Answer, Service
from captioner.commands.serve.sharing import colab, how_to_forward, show_in_colab
from captioner.commands.serve.web_page import gradio_library, make_page, start, sweep
from captioner.encoders.contract import FEW_PHOTOS
from captioner.layers.allocation import one_arena
from captioner.progress import console

__all__ = ["Allowed", "Answer", "Service", "make_page", "run"]
_SWEEP_SECONDS = 300
_STOP_SECONDS = 20
"""What a request in progress has to end after Ctrl-C; it takes a word or an account of one, a second or two."""


def run(
    model: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    beside: Sequence[Path] = (),
    share: bool = False,
) -> None:
    """Serve a run until interrupted; uploads and results are in a temporary folder, removed at the end.

    Args:
        model: the folder of the model; by default, the bundled model.
        host: the address to listen on; 0.0.0.0 for everyone who can reach this machine.
        port: by default the first free one from 7860.
        beside: folders of other models, whose captions are shown beside this one's.
        share: in a notebook of Colab, show the page below the cell; elsewhere, say how to forward the port.

    Raises:
        UserError: gradio is not installed, there is no such run, or the address cannot be taken.
    """
    one_arena()
    gradio_library()  # fails before the model is loaded
    run_folder = builder.model_folder(model)
    others = [builder.model_folder(other) for other in beside]
    service = Service(
        run_folder, builder.load(run_folder), beside=[Service(other, builder.load(other)) for other in others]
    )
    also: set[str] = set()
    for one in [service, *service.beside]:
        one.captioner.expect(FEW_PHOTOS)  # takes an exported encoder if there is one, and does not wait for an export
        for line in loaded(one):
            console.print(line, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="captioner-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # where gradio stores uploads
        threading.Thread(target=_sweep_often, args=(Path(folder),), daemon=True).start()
        app = start(make_page(service, Path(folder)), service.allowed, host, port, also)
        console.print(f"{model or service.name} is served at {app.local_url} until Ctrl+C", soft_wrap=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            console.print("everyone who can reach this address can send photos: there is no password", soft_wrap=True)
        output = colab() if share else None
        if output is not None:
            show_in_colab(output, app.server_port, also)
        elif share:
            console.print(how_to_forward(app.server_port), soft_wrap=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder is removed then too
        try:
            while True:
                time.sleep(1)  # a wait without a limit would not hear Ctrl-C on Windows
        finally:
            app.close(verbose=False)
            service.running.stop(_STOP_SECONDS)


def _sweep_often(folder: Path) -> None:
    """Delete old uploads and results until the folder is gone, whether or not somebody asks for more."""
    with suppress(FileNotFoundError):
        while True:
            sweep(folder)
            time.sleep(_SWEEP_SECONDS)
