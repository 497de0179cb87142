"""A model that answers requests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from captioner import builder
from captioner.commands.serve import Service
from captioner.commands.train import training_run as runs
from tests.helpers import DRAWN, tiny_settings


@pytest.fixture(scope="session")
def service(pictures, tmp_path_factory) -> Service:
    """A run of one epoch: its captions are poor, and those of different photos have different probabilities."""
    folder = tmp_path_factory.mktemp("served") / "run"
    runs.train(DRAWN, [*tiny_settings(pictures, folder), "run.epochs=1"])
    captioner = builder.load(folder, device="cpu")
    with torch.no_grad():  # so that maps differ from word to word
        captioner.model.decoder.attention.score.energy.weight *= 100
    return Service(folder, captioner)


@pytest.fixture(scope="session")
def photos(pictures) -> list[Path]:
    return sorted((pictures / "images").glob("val_*.png"))
