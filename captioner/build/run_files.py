"""What a run's folder holds, read again: settings and weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from captioner.build.schema import SECTIONS, read
from captioner.config import Settings, check_keys, parse_override
from captioner.encoders import Encoder
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.training.checkpoints import BEST, NEWEST, fill_model, load_checkpoint, tensors_of

_AFTER_TRAINING = ("search.", "data.", "run.device=", "run.features=")
SETTINGS, VOCABULARY, ENCODER = "settings.yaml", "vocabulary.json", "encoder.safetensors"


def read_run_settings(folder: Path, overrides: Sequence[str] = ()) -> Settings:
    """The resolved settings of a run, under overrides."""
    if not (folder / SETTINGS).is_file():
        why = (
            f"it has no {SETTINGS}" if folder.is_dir() else "it is no folder" if folder.exists() else "nothing is there"
        )
        raise UserError(f"{folder} is not a run: {why}; give the folder that train.py wrote, such as runs/demo")
    for override in overrides:
        check_keys(parse_override(override), SECTIONS, "section")
        if not override.startswith(_AFTER_TRAINING):
            raise UserError(
                f"{override.partition('=')[0]} belongs to what was trained; a finished run takes overrides of search, data, "
                "run.device and run.features"
            )
    return read(folder / SETTINGS, overrides)


def fill_from(model: CaptionModel, run: Path, checkpoint: Literal["best", "newest"]) -> None:
    """Give a model the weights that a run ended with."""
    frozen = model.encoder if (run / ENCODER).exists() else None
    if frozen is not None:
        fill_model(frozen, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    fill_model(model, *_weights(run, checkpoint), frozen)


def fill_encoder(encoder: Encoder, run: Path) -> None:
    """The weights that the encoder of another run ended with."""
    read_run_settings(run)  # complains where there is none
    if (run / ENCODER).exists():
        fill_model(encoder, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    else:
        fill_model(encoder, tensors_of(load_checkpoint(run / BEST)[0], "encoder."), run / BEST)


def _weights(folder: Path, checkpoint: str) -> tuple[dict[str, torch.Tensor], Path]:
    path = folder / {"best": BEST, "newest": NEWEST}[checkpoint]
    tensors, _ = load_checkpoint(path)
    if checkpoint == "newest":
        tensors = tensors_of(tensors, "model/") | tensors_of(tensors, "average/")
    return tensors, path
