"""Weights that are not finite are never saved, and a run goes on with changed settings where its weights allow it."""

from __future__ import annotations

import json
import math
import re

import pytest
import torch
from safetensors.torch import save_file

from captioner import builder
from captioner.builder.run_folder import read_run_settings
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted, UserError
from captioner.training import loop
from captioner.training.checkpoints import BEST, NEWEST, load_checkpoint, save_checkpoint
from tests.commands.train.test_resume import Powerless, StopAfter
from tests.helpers import DRAWN, losses


def poison(monkeypatch, step: int, change) -> None:
    """Change the trainer right after a step."""
    train_on = loop.Trainer._train_on

    def then_changed(trainer, *arguments):
        train_on(trainer, *arguments)
        if trainer.progress.step == step:
            with torch.no_grad():
                change(trainer)

    monkeypatch.setattr(loop.Trainer, "_train_on", then_changed)


POISONS = {
    "weight": lambda trainer: next(trainer.objective.model.decoder.parameters()).fill_(math.inf),
    "average": lambda trainer: next(iter(trainer.average.averages.values())).fill_(math.nan),
    "optimiser": lambda trainer: next(iter(trainer.optimiser.state.values()))["exp_avg_sq"].fill_(math.inf),
}


@pytest.mark.parametrize("what", POISONS)
@pytest.mark.parametrize("step", [6, 12], ids=["before the first validation", "after a checkpoint"])
def test_what_is_no_number_is_not_saved_and_the_message_names_what_is(settings, tmp_path, monkeypatch, what, step):
    poison(monkeypatch, step, POISONS[what])
    saved = "nothing was saved before" if step == 6 else r"newest\.safetensors is of step 6\."
    with pytest.raises(UserError, match=rf"became infinite or not a number at step {step}; .*{saved}"):
        runs.train(DRAWN, [*settings, "run.ema_decay=0.9"])
    assert (tmp_path / "run" / NEWEST).exists() == (step == 12)
    if step == 12:
        load_checkpoint(tmp_path / "run" / NEWEST)
        load_checkpoint(tmp_path / "run" / BEST)


def test_a_learning_rate_far_too_high_ends_with_an_error(settings, tmp_path):
    with pytest.raises(UserError, match=r"Lower optimiser\.learning_rate"):
        runs.train(DRAWN, [*settings, "optimiser.learning_rate=1e30", "run.epochs=30"])
    for path in (tmp_path / "run").glob("*.safetensors"):
        load_checkpoint(path)


def test_weights_that_are_no_numbers_are_not_loaded(settings, tmp_path, monkeypatch):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    path = tmp_path / "run" / BEST
    tensors, state = load_checkpoint(path)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].flatten()[0] = math.nan
    with pytest.raises(UserError, match="is not written"):
        save_checkpoint(path, tensors, state)
    monkeypatch.setattr("captioner.training.checkpoints.not_finite", lambda tensors: None)
    save_checkpoint(path, tensors, state)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"best\.safetensors holds values that are infinite or not numbers, first in"):
        builder.load(tmp_path / "run")


def start_line(folder) -> dict:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == "start"][-1]


@pytest.fixture
def stopped(settings, tmp_path) -> list[str]:
    """The settings of a run that was stopped in its second epoch."""
    with pytest.raises(Interrupted):
        runs.train(DRAWN, settings, StopAfter(8))
    return settings


CHANGES = [
    ["optimiser.learning_rate=1e-5", "run.clip_at=1"],
    ["optimiser.kind=adamw", "schedule.kind=plateau"],
    ["run.batch_size=16"],
    ["run.captions_per_photo=1"],
    ["run.seed=7"],
    ["run.ema_decay=0.9"],
    ["run.monitor=BLEU-4", "search.max_length=15"],
    ["objective.kind=self_critical", "objective.samples=2"],
    ["decoder.dropout=0.3", "objective.label_smoothing=0.1"],
]


@pytest.mark.parametrize("changes", CHANGES, ids=" ".join)
def test_a_run_goes_on_with_changed_settings_if_it_is_asked_to(stopped, tmp_path, changes):
    folder = tmp_path / "run"
    with pytest.raises(UserError, match=r"was started with .*add --change to go on with it"):
        runs.train(DRAWN, [*stopped, *changes])
    runs.train(DRAWN, [*stopped, *changes], change=True)
    assert changes[0].partition("=")[0] in start_line(folder)["changed"]
    assert start_line(folder)["step"] == 8
    assert [line["kind"] for line in losses(folder)].count("validation") == 3
    resolved = read_run_settings(folder).resolved
    for change in changes:
        section, key = change.partition("=")[0].split(".")
        assert str(resolved[section][key]) in (change.partition("=")[2], "1e-05", "1.0")


def test_a_change_that_was_killed_before_its_first_checkpoint_is_made_again(stopped, tmp_path):
    changes = ["run.batch_size=16", "run.ema_decay=0.9"]
    with pytest.raises(RuntimeError, match="the power went"):
        runs.train(DRAWN, [*stopped, *changes], Powerless(), change=True)
    runs.train(DRAWN, [*stopped, *changes])  # settings.yaml has them now
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["step"] == 8 + 3 + 3


def not_a_number(path):
    tensors, state = load_checkpoint(path)
    tensors["model/decoder.embedding.weight"][0] = math.nan
    save_file(tensors, path, metadata={"state": json.dumps(state)})


DAMAGES = {
    "log.jsonl": lambda path: path.write_text("no JSON\n", encoding="utf-8"),
    "data_digests.npz": lambda path: path.write_text("no arrays", encoding="utf-8"),
    "vocabulary.json": lambda path: path.write_text("no JSON", encoding="utf-8"),
    NEWEST: not_a_number,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_change_of_a_damaged_run_is_refused_and_its_settings_stay(stopped, tmp_path, name):
    settings = tmp_path / "run" / "settings.yaml"
    before = settings.read_bytes()
    DAMAGES[name](tmp_path / "run" / name)
    with pytest.raises(UserError, match=re.escape(name)):
        runs.train(DRAWN, [*stopped, "optimiser.learning_rate=1e-5"], change=True)
    assert settings.read_bytes() == before


def test_a_finished_run_is_trained_for_more_epochs(settings, tmp_path):
    runs.train(DRAWN, [*settings, "run.epochs=1"])
    with pytest.raises(UserError, match=r"finished run.*run\.epochs=2 --change"):
        runs.train(DRAWN, [*settings, "run.epochs=1"])
    with pytest.raises(UserError, match=r"has made its 1 epochs; give run\.epochs a larger number"):
        runs.train(DRAWN, [*settings, "run.epochs=1", "optimiser.learning_rate=1e-5"], change=True)
    runs.train(DRAWN, [*settings, "run.epochs=2"], change=True)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["epoch"] == 2
    assert [line["kind"] for line in losses(tmp_path / "run")].count("validation") == 2


@pytest.mark.parametrize(
    "change",
    ["decoder.hidden_size=20", "attention.size=9", "data.min_count=3", "encoder.width=5", "run.from_run=runs/a"],
)
def test_what_the_weights_depend_on_does_not_change(stopped, tmp_path, change):
    before = (tmp_path / "run" / "settings.yaml").read_bytes()
    with pytest.raises(UserError, match=change.partition("=")[0].replace(".", r"\.")):
        runs.train(DRAWN, [*stopped, change], change=True)
    assert (tmp_path / "run" / "settings.yaml").read_bytes() == before


def test_there_is_nothing_to_change_without_a_run(settings):
    with pytest.raises(UserError, match="leave --change out"):
        runs.train(DRAWN, settings, change=True)


def test_batches_of_another_size_keep_the_learning_rate(settings, tmp_path):
    """In steps, a run with batches twice as large would be at the end of its schedule."""
    runs.train(DRAWN, [*settings, "run.epochs=3"])
    runs.train(DRAWN, [*settings, "run.epochs=6", "run.batch_size=16"], change=True)
    rates = [
        line["learning_rate"] for line in losses(tmp_path / "run") if line["kind"] == "train" and line["epoch"] >= 3
    ]
    assert min(rates) > 0


@pytest.mark.parametrize(("captions_per_photo", "fits"), [(1, True), (0, False)])
def test_parts_of_a_batch_are_counted_in_visits_to_photos(settings, tmp_path, captions_per_photo, fits):
    """48 photos make batches of 44 at least if an epoch visits each several times, and of 24 otherwise."""
    parts = ["run.batch_size=47", "run.accumulate=30", "run.epochs=1", f"run.captions_per_photo={captions_per_photo}"]
    if fits:
        runs.train(DRAWN, [*settings, *parts])
    else:
        with pytest.raises(UserError, match="without photos: the smallest batch has 24"):
            runs.train(DRAWN, [*settings, *parts])


def test_with_another_monitor_the_best_score_begins_anew_and_the_reduced_rate_stays(settings, tmp_path):
    rate = ["schedule.kind=plateau", "schedule.patience=1", "schedule.by=0.01", "optimiser.learning_rate=1e-9"]
    runs.train(DRAWN, [*settings, *rate])  # too slowly for a better score, so that the rate falls
    before = load_checkpoint(tmp_path / "run" / NEWEST)[1]
    assert before["schedule"]["reduced"] > 0
    runs.train(DRAWN, [*settings, *rate, "run.epochs=4", "run.monitor=BLEU-1"], change=True)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["schedule"]["reduced"] == before["schedule"]["reduced"]
    assert load_checkpoint(tmp_path / "run" / BEST)[1]["progress"]["epoch"] == 4  # the first score of its kind


def test_with_another_search_the_best_score_begins_anew(settings, tmp_path):
    runs.train(DRAWN, [*settings, "search.max_length=1"])
    runs.train(DRAWN, [*settings, "run.epochs=4"], change=True)
    scores = [line["CIDEr-D"] for line in losses(tmp_path / "run") if line["kind"] == "validation"]
    assert scores[-1] < max(scores)
    assert load_checkpoint(tmp_path / "run" / BEST)[1]["progress"]["best_score"] == scores[-1]


def test_a_change_that_ends_a_run_is_saved_as_its_end(stopped, tmp_path):
    with pytest.raises(Interrupted):
        runs.train(DRAWN, stopped, StopAfter(12))
    settings = [*stopped, "run.epochs=2"]
    runs.train(DRAWN, settings, change=True)
    assert load_checkpoint(tmp_path / "run" / NEWEST)[1]["progress"]["finished"]
    with pytest.raises(UserError, match="is a finished run"):
        runs.train(DRAWN, settings)
