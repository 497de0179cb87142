"""`captioner export`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from captioner.cli import Overwrite
from captioner.cli.options import Run
from captioner.progress import console

Format = Enum("Format", {"onnx": "onnx", "torch": "torch"})


def export(
    run: Run = None,
    to: Annotated[
        Format, typer.Option(help="onnx, which needs the extra `onnx`, or torch, the .pt2 files of torch.export.")
    ] = Format.onnx,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of what is written. Default: export in the folder of the model.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as two graphs, an encoder and one step of the decoder, which caption without this program, maps included."""
    from captioner.builder.loading import PRETRAINED
    from captioner.commands import export as command

    written, difference = command.export(run, folder, to.value, overwrite)
    suffix = {"onnx": "onnx", "torch": "pt2"}[to.value]
    console.print(
        f"written: encoder.{suffix}, step.{suffix} and captioner.json in {written}; weights and log-probabilities differ from the "
        f"model's by {difference:.0e} at most",
        soft_wrap=True,
    )
    if to is Format.onnx:
        program = Path("examples/caption_with_onnx.py")
        if not program.is_file():  # outside a clone
            program = PRETRAINED / program
        console.print(f"next: python {quote(str(program))} {quote(str(written))} photo.jpg", soft_wrap=True)
