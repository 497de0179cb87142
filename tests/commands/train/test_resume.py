"""A run that was stopped resumes as if it had not stopped."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from captioner import builder
from captioner.builder.run_folder import held
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted, UserError
from captioner.layers.cross_entropy import cross_entropy
from captioner.progress import Report
from captioner.training import objectives
from captioner.training.checkpoints import BEST, NEWEST, load_checkpoint, save_checkpoint
from tests.helpers import CONFIGS, DRAWN, losses, tiny_settings


class StopAfter(Report):
    """Asks to stop, as Ctrl-C does, once that step is done."""

    def __init__(self, last: int):
        self.last = last

    def step(self, step, epoch, batch, steps_per_epoch, num_photos, term=None):
        if step == self.last:
            os.kill(os.getpid(), signal.SIGINT)


class Powerless(StopAfter):
    """Fails at the first step, as a program that is killed there."""

    def __init__(self):
        super().__init__(0)

    def step(self, *arguments, **options):
        raise RuntimeError("the power went")


def assert_same_end(one, two):
    assert losses(one) == losses(two)
    for name in (NEWEST, BEST):
        (tensors, state), (others, other_state) = load_checkpoint(one / name), load_checkpoint(two / name)
        assert state == other_state
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensor, others[key]) for key, tensor in tensors.items())


@pytest.mark.parametrize("options", [["schedule.kind=cosine"], ["schedule.kind=plateau", "run.ema_decay=0.9"]], ids=str)
def test_resuming_gives_the_same_losses_as_not_stopping(pictures, tmp_path, options):
    whole, stopped = (tiny_settings(pictures, tmp_path / name) + options for name in ("whole", "stopped"))
    runs.train(DRAWN, whole)
    for step in (2, 6, 11):  # in the middle of an epoch, at its end, and in the next
        with pytest.raises(Interrupted):
            runs.train(DRAWN, stopped, StopAfter(step))
    runs.train(DRAWN, stopped)
    assert len(losses(tmp_path / "whole")) > 5
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_accumulating_takes_the_same_step_as_one_batch(pictures, tmp_path):
    """With a frozen encoder, since batch norm sees other batches, and without dropout."""
    options = [
        "encoder.kind=squeezenet1_1",
        "encoder.weights=none",
        "encoder.input_size=64",
        "decoder.dropout=0",
        "run.epochs=2",
        "objective.coverage=1",
    ]
    found = []
    for parts in (1, 3):
        folder = tmp_path / str(parts)
        runs.train(DRAWN, [*without_encoder(tiny_settings(pictures, folder)), *options, f"run.accumulate={parts}"])
        found.append([line["loss"] for line in losses(folder) if line["kind"] == "train"])
    assert len(found[0]) > 3
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def without_encoder(settings: list[str]) -> list[str]:
    return [setting for setting in settings if not setting.startswith("encoder.")]


def test_two_processes_take_the_same_step_as_one(pictures, tmp_path):
    options = [
        "encoder.kind=squeezenet1_1",
        "encoder.weights=none",
        "encoder.input_size=64",
        "decoder.dropout=0",
        "run.epochs=2",
        "objective.coverage=1",
    ]
    one, two = ([*without_encoder(tiny_settings(pictures, tmp_path / name)), *options] for name in ("one", "two"))
    runs.train(DRAWN, one)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(CONFIGS.parent / "train.py"), str(DRAWN), *two],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone, together = (losses(tmp_path / name) for name in ("one", "two"))
    assert [line["step"] for line in alone] == [line["step"] for line in together]
    for line, other in zip(alone, together, strict=True):
        if line["kind"] == "train":
            assert line["loss"] == pytest.approx(other["loss"], rel=1e-4)
            assert line["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
    weights, others = (load_checkpoint(tmp_path / name / NEWEST)[0] for name in ("one", "two"))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-2, atol=1e-4)


def test_a_checkpoint_left_by_a_killed_run_loads(settings, pictures, tmp_path):
    with pytest.raises(Interrupted):
        runs.train(DRAWN, settings, StopAfter(7))
    (tmp_path / "run" / ".newest.safetensors.0123.tmp").write_bytes(b"half a checkpoint")
    assert builder.load(tmp_path / "run", "newest").caption(next(pictures.glob("images/val_*.png"))).words
    runs.train(DRAWN, settings)
    assert not list((tmp_path / "run").glob(".*.tmp"))


def without(name):
    return lambda tensors, state: ({key: one for key, one in tensors.items() if key != name}, state)


def with_progress(**changes):
    return lambda tensors, state: (tensors, {**state, "progress": state["progress"] | changes})


CHANGES = {
    r"objective/reinforce\.baseline is nothing there and \[\] in this": without("objective/reinforce.baseline"),
    r"objective/spread is \[2\] there and nothing in this": lambda t, s: ({**t, "objective/spread": torch.ones(2)}, s),
    r"average/.* is nothing there": lambda t, s: ({k: v for k, v in t.items() if not k.startswith("average/")}, s),
    r"differs in progress\.rested; delete it": with_progress(rested=3),
    r"differs in schedule; delete it": lambda t, s: (t, {k: v for k, v in s.items() if k != "schedule"}),
}


@pytest.mark.parametrize("wrong", CHANGES)
def test_a_checkpoint_that_does_not_fit_this_training_is_named(settings, tmp_path, wrong):
    options, path = [*settings, "attention.kind=hard", "run.ema_decay=0.9"], tmp_path / "run" / NEWEST
    with pytest.raises(Interrupted):
        runs.train(DRAWN, options, StopAfter(1))
    save_checkpoint(path, *CHANGES[wrong](*load_checkpoint(path)))
    with pytest.raises(UserError, match=rf"newest\.safetensors .*{wrong}"):
        runs.train(DRAWN, options)


class Notes(StopAfter):
    """Keeps the notes of a run that stops after a step."""

    def __init__(self, last: int):
        super().__init__(last)
        self.notes: list[str] = []

    def note(self, text):
        self.notes.append(text)


def test_a_resumed_run_says_what_has_changed_in_its_data(pictures, tmp_path):
    data = shutil.copytree(pictures, tmp_path / "data")
    options, run = tiny_settings(data, tmp_path / "run"), tmp_path / "run"
    with pytest.raises(Interrupted):
        runs.train(DRAWN, options, Notes(2))
    path = data / "captions_train.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    first, *_, last = content["annotations"]
    first["caption"], last["caption"] = last["caption"], first["caption"]
    path.write_text(json.dumps(content), encoding="utf-8")
    copied, replaced = sorted((data / "images").glob("val_*.png"))[:2]
    shutil.copy(copied, replaced)
    report = Notes(4)
    with pytest.raises(Interrupted):
        runs.train(DRAWN, options, report)
    [line] = [note for note in report.notes if "data have changed" in note]
    assert "2 photos of train with other captions (first train_" in line
    assert f"1 photo of val replaced (first {replaced.name})" in line
    (run / "data_digests.npz").unlink()  # as runs of earlier versions
    report = Notes(6)
    with pytest.raises(Interrupted):
        runs.train(DRAWN, options, report)
    assert not [note for note in report.notes if "data have changed" in note]


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_as_if_never_killed(pictures, tmp_path):
    """SIGKILL, which no program can catch, from the first imports on; most moments fall into training."""
    options = ["run.epochs=250", "run.save_minutes=0.003", "run.validate_every=10"]
    whole, killed = (tiny_settings(pictures, tmp_path / name) + options for name in ("whole", "killed"))
    command = [sys.executable, str(CONFIGS.parent / "train.py"), str(DRAWN)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *whole], check=True, capture_output=True, env=environment)
    moments, steps = random.Random(0), []
    for _ in range(10):
        process = subprocess.Popen(
            [*command, *killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        time.sleep(moments.uniform(2, 5))
        assert process.poll() is None, "it finished or failed before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        newest = tmp_path / "killed" / NEWEST
        steps.append(load_checkpoint(newest)[1]["progress"]["step"] if newest.exists() else 0)
    assert steps == sorted(steps)
    assert len(set(steps)) > 5
    subprocess.run([*command, *killed], check=True, capture_output=True, env=environment)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_a_run_started_with_other_settings_is_not_mixed_up(settings):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    with pytest.raises(UserError, match=r"decoder\.dropout=0\.1, now it is 0\.3.*run\.folder"):
        runs.train(DRAWN, [*settings, "run.epochs=1", "decoder.dropout=0.3"])


def test_a_finished_run_says_so(settings):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    with pytest.raises(UserError, match=r"finished run.*captioner eval"):
        runs.train(DRAWN, [*settings, "run.epochs=1"])


def test_two_trainings_in_one_folder_do_not_mix(settings, tmp_path):
    with held(tmp_path / "run"), pytest.raises(UserError, match=r"another training run uses .*run\.folder"):
        runs.train(DRAWN, settings)
    runs.train(DRAWN, [*settings, "run.epochs=1"])


def test_stopping_early_stops_on_the_decoded_score(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=30", "run.patience=2", "optimiser.learning_rate=1e-12"])
    validations = [line for line in losses(tmp_path / "run") if line["kind"] == "validation"]
    assert len(validations) == 3  # the first is the best; two more without a better one


def test_a_loss_that_is_not_a_number_keeps_the_last_good_checkpoint(settings, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        runs.train(DRAWN, settings, StopAfter(4))
    before = (tmp_path / "run" / NEWEST).read_bytes()
    monkeypatch.setattr(objectives, "cross_entropy", lambda *given: cross_entropy(*given) * torch.nan)
    with pytest.raises(UserError, match="the loss became nan, or its gradient did, at step"):
        runs.train(DRAWN, settings)
    assert (tmp_path / "run" / NEWEST).read_bytes() == before


def test_captions_that_changed_since_the_start_are_refused_and_the_vocabulary_stays(settings, pictures, tmp_path):
    data = tmp_path / "drawn"
    shutil.copytree(pictures, data)
    settings = [*settings, f"data.root={data}"]
    with pytest.raises(Interrupted):
        runs.train(DRAWN, settings, StopAfter(4))
    before = (tmp_path / "run" / "vocabulary.json").read_bytes()
    path = data / "captions_train.json"
    path.write_text(path.read_text(encoding="utf-8").replace("circle", "disc"), encoding="utf-8")
    with pytest.raises(UserError, match=r"have changed since .*'circle'"):
        runs.train(DRAWN, settings)
    assert (tmp_path / "run" / "vocabulary.json").read_bytes() == before
