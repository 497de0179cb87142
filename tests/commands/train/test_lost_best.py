"""A run whose best weights were lost or damaged ends with usable ones, or says at once what is wrong."""

from __future__ import annotations

import json
import math

import pytest
from safetensors.torch import save_file

from captioner import builder
from captioner.builder.run_folder import check_folder
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted, UserError
from captioner.progress import Report
from captioner.training.checkpoints import BEST, NEWEST, load_checkpoint, save_checkpoint
from tests.commands.train.test_resume import StopAfter
from tests.helpers import DRAWN


class Notes(Report):
    """Keeps the notes."""

    def __init__(self):
        self.notes: list[str] = []

    def note(self, text):
        self.notes.append(text)


def not_a_number(path):
    tensors, state = load_checkpoint(path)
    tensors["decoder.embedding.weight"][0] = math.nan
    save_file(tensors, path, {"state": json.dumps(state)})


LOSSES = {
    r"no checkpoint at .*best\.safetensors": lambda path: path.unlink(),
    r"best\.safetensors is not a complete checkpoint": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    r"best\.safetensors is a pickle": lambda path: path.write_bytes(b"\x80\x02}q\x00."),
    r"best\.safetensors holds values that are infinite": not_a_number,
}


@pytest.fixture
def stopped(settings, tmp_path) -> list[str]:
    """The settings of a run that was stopped in its second epoch, after a validation with a score that it never reaches again."""
    settings = [*settings, "run.epochs=2"]
    with pytest.raises(Interrupted):
        runs.train(DRAWN, settings, StopAfter(8))
    tensors, state = load_checkpoint(tmp_path / "run" / NEWEST)
    save_checkpoint(
        tmp_path / "run" / NEWEST, tensors, {**state, "progress": {**state["progress"], "best_score": 99.0}}
    )
    return settings


@pytest.mark.parametrize("problem", LOSSES)
def test_lost_best_weights_are_an_error_and_change_goes_on_without_them(stopped, tmp_path, problem):
    LOSSES[problem](tmp_path / "run" / BEST)
    with pytest.raises(UserError, match=rf"{problem}.*add --change to go on without it"):
        runs.train(DRAWN, stopped)
    report = Notes()
    runs.train(DRAWN, stopped, report, change=True)
    assert any("the next validation is the best so far" in note for note in report.notes)
    builder.load(tmp_path / "run")
    with pytest.raises(UserError, match="is a finished run"):
        check_folder(tmp_path / "run", builder.read(DRAWN, stopped))


def test_best_weights_of_another_model_are_written_anew(stopped, tmp_path):
    tensors, state = load_checkpoint(tmp_path / "run" / BEST)
    save_checkpoint(tmp_path / "run" / BEST, dict(list(tensors.items())[1:]), state)
    report = Notes()
    runs.train(DRAWN, stopped, report)
    assert any("is from another config" in note and "is the best so far" in note for note in report.notes)
    builder.load(tmp_path / "run")


def test_intact_best_weights_stay_if_no_validation_is_better(stopped, tmp_path):
    before = (tmp_path / "run" / BEST).read_bytes()
    report = Notes()
    runs.train(DRAWN, stopped, report)
    assert not any("best so far" in note for note in report.notes)
    assert (tmp_path / "run" / BEST).read_bytes() == before


def test_a_run_that_lost_its_newest_checkpoint_is_not_trained_over(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "score_captions", lambda *_: {"CIDEr-D": next(scores)})
    scores = iter([0.3, 0.2, 0.1])  # the best is the first
    runs.train(DRAWN, [*settings, "run.epochs=2"])
    (tmp_path / "run" / NEWEST).unlink()
    before = (tmp_path / "run" / BEST).read_bytes()
    with pytest.raises(
        UserError, match=r"has best\.safetensors but no newest\.safetensors.*restore newest\.safetensors"
    ):
        runs.train(DRAWN, [*settings, "run.epochs=2"])
    assert (tmp_path / "run" / BEST).read_bytes() == before


def test_a_run_that_was_killed_right_after_its_first_best_weights_starts_again(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    (tmp_path / "run" / NEWEST).unlink()
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    assert (tmp_path / "run" / NEWEST).exists()
