"""A run in TensorBoard: scalars, settings, and the sheets of some validation photos. The package tensorboard is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import yaml
from PIL import Image

from captioner.errors import UserError, install, library

FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Raise a UserError if tensorboard is not installed."""
    library("tensorboard", "log.tensorboard=true", "tensorboard")


class TensorBoardRun:
    """Writes into the folder `tensorboard` of a run.

    Args:
        folder: the run folder.
        settings: the resolved settings, shown as a text.
        step: the step from which the run starts; TensorBoard drops what an earlier start wrote later than that.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], step: int):
        check_tensorboard()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:  # a version that does not fit
            raise UserError(
                f"log.tensorboard=true cannot use tensorboard ({error}); {install('tensorboard')}"
            ) from error
        self.writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1 if step else 0)
        if not step:
            text = yaml.safe_dump(dict(settings), sort_keys=False)
            self.writer.add_text("settings", "".join(f"    {line}\n" for line in text.splitlines()))

    def write(
        self, kind: str, step: int, values: Mapping[str, Any], pictures: Sequence[tuple[Image.Image, str]] = ()
    ) -> None:
        for name, value in values.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(f"{kind}/{name}", value, step)
        for number, (picture, caption) in enumerate(pictures):
            self.writer.add_image(f"samples/{number}", numpy.asarray(picture.convert("RGB")), step, dataformats="HWC")
            self.writer.add_text(f"samples/{number}", caption, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
