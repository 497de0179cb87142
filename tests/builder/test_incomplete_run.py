"""A run folder that was not copied whole."""

from __future__ import annotations

import pytest

from captioner import builder
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from tests.helpers import DRAWN


def test_a_frozen_encoder_that_was_not_copied_is_named(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1", "encoder.frozen=true"])
    (tmp_path / "run" / builder.ENCODER).unlink()
    with pytest.raises(UserError, match=r"lacks encoder\.safetensors, as if it was not copied whole"):
        builder.load(tmp_path / "run")


def test_words_that_were_not_copied_are_named(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    (tmp_path / "run" / builder.VOCABULARY).unlink()
    complaint = r"lacks vocabulary\.json, as if it was not copied whole"
    with pytest.raises(UserError, match=complaint):
        builder.load(tmp_path / "run")
    with pytest.raises(UserError, match=complaint):
        runs.train(DRAWN, [*settings, "run.epochs=2"], change=True)
