"""Signals in every phase of training: what was done is saved, and the run ends as if it had not been stopped."""

from __future__ import annotations

import os
import signal
import time

import pytest

from captioner.commands import photo_sources
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted
from captioner.features import store
from captioner.progress import Report
from captioner.training.checkpoints import NEWEST, load_checkpoint
from tests.commands.train.test_resume import assert_same_end, without_encoder
from tests.commands.train.test_training_run import FROZEN
from tests.helpers import DRAWN, losses, tiny_settings


def stopping(work, number, calls: int = 1):
    """The same work, during which the signal comes at the given call; it would take a minute then."""
    seen = []

    def interrupted(*arguments, **options):
        seen.append(True)
        if len(seen) == calls:
            os.kill(os.getpid(), number)
            time.sleep(60)
        return work(*arguments, **options)

    return interrupted


def stop(settings, monkeypatch, place, name, number, calls: int = 1) -> None:
    started = time.monotonic()
    before = signal.signal(number, signal.SIG_DFL)  # nohup, under which tests may run, ignores SIGHUP
    try:
        with monkeypatch.context() as patch, pytest.raises(Interrupted):  # noqa: PT012
            patch.setattr(place, name, stopping(getattr(place, name), number, calls))
            runs.train(DRAWN, settings)
    finally:
        signal.signal(number, before)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_during_validation_saves_and_validation_is_repeated(pictures, tmp_path, monkeypatch, number):
    options = ["run.epochs=2", "run.ema_decay=0.9", "schedule.kind=plateau"]
    whole, stopped = (tiny_settings(pictures, tmp_path / name) + options for name in ("whole", "stopped"))
    runs.train(DRAWN, whole)
    stop(stopped, monkeypatch, runs, "decode", number, calls=2)
    progress = load_checkpoint(tmp_path / "stopped" / NEWEST)[1]["progress"]
    assert (progress["epoch"], progress["batch"]) == (1, 6)  # all batches of the second epoch
    runs.train(DRAWN, stopped)
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize(
    ("place", "name", "encoder"),
    [(store.FeatureStore, "add", FROZEN), (photo_sources, "unreadable_photos", [])],
    ids=["stored", "checked"],
)
def test_a_signal_while_photos_are_stored_or_checked_ends_it_and_the_next_start_trains(
    settings, tmp_path, monkeypatch, place, name, encoder
):
    settings = [*(without_encoder(settings) if encoder else settings), *encoder, "run.epochs=1"]
    stop(settings, monkeypatch, place, name, signal.SIGUSR1)
    runs.train(DRAWN, settings)
    assert [line["kind"] for line in losses(tmp_path / "run")].count("validation") == 1


def test_a_validation_that_was_logged_and_not_saved_is_logged_once(settings, tmp_path, monkeypatch):
    """A checkpoint right before validation, and a kill right after its line."""
    settings = [*settings, "run.save_minutes=0"]
    save, steps = runs.Trainer._save, []

    def killed(trainer):
        if trainer.progress.batch == 0 and trainer.progress.epoch == 2 and not steps:
            steps.append(trainer.progress.step)
            raise RuntimeError("killed")
        save(trainer)

    monkeypatch.setattr(runs.Trainer, "_save", killed)
    with pytest.raises(RuntimeError, match="killed"):
        runs.train(DRAWN, settings)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["step"] == steps[0]
    runs.train(DRAWN, settings)
    validations = [line["step"] for line in losses(tmp_path / "run") if line["kind"] == "validation"]
    assert validations == [6, 12, 18]


class Means(Report):
    """Keeps the loss of every step, and what is printed for each epoch."""

    def __init__(self):
        self.losses, self.printed = [], []

    def step(self, step, epoch, batch, steps_per_epoch, num_photos, term=None):
        self.losses.append(term[1])

    def validation(self, epoch, monitor, score, better, distinct_captions, map_change, term=None):
        self.printed.append(term[1])


def test_the_loss_of_an_epoch_is_its_mean_also_if_it_was_interrupted(settings, monkeypatch):
    monkeypatch.setattr("captioner.training.loop._LOG_EVERY", 1)
    report = Means()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):  # noqa: PT012
        patch.setattr(runs.CaptionedPhotos, "captions_of", stopped_at(9))
        runs.train(DRAWN, settings, report)
    runs.train(DRAWN, settings, report)
    means = [sum(report.losses[start : start + 6]) / 6 for start in (0, 6, 12)]
    assert len(report.losses) == 18
    assert report.printed == pytest.approx(means, rel=1e-6)


def stopped_at(step: int):
    """The captions of a photo; at the first photo of that step the signal comes."""
    captions_of, calls = runs.CaptionedPhotos.captions_of, []

    def asked(photos, item):
        calls.append(item)
        if len(calls) == 8 * (step - 1) + 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        return captions_of(photos, item)

    return asked
