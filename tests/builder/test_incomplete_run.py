"""A run folder that was not copied whole, or that holds something else in place of a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from captioner import builder
from captioner.builder.run_folder import TRAINED
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


def pipe(path):
    os.mkfifo(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
@pytest.mark.parametrize(("put", "kind"), [(pipe, "pipe, socket or device"), (Path.mkdir, "folder")])
@pytest.mark.parametrize("name", ["settings.yaml", "vocabulary.json", "best.safetensors"])
def test_a_pipe_or_folder_in_place_of_a_file_of_a_run_is_named(tmp_path, name, put, kind):
    run = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "old_run", run)
    (run / name).unlink()
    put(run / name)
    with pytest.raises(UserError, match=rf"{name} should be a file, got a {kind}"):
        builder.load(run)


@pytest.mark.parametrize("name", TRAINED)
def test_training_refuses_a_folder_in_place_of_any_file_of_a_run_before_it_computes(settings, tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"{name} should be a file, got a folder"):
        runs.train(DRAWN, settings)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]
