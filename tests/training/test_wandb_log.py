"""What a run is at Weights & Biases, seen by a stand-in for the package."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from captioner import builder
from captioner.commands import compare as comparison
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from captioner.training.run_log import RunLog
from captioner.training.wandb_log import check_login
from tests.helpers import DRAWN


class Failure(Exception):
    """The base of wandb's errors."""


class Run:
    """Keeps what is logged."""

    def __init__(self, **options):
        self.options, self.logged, self.metrics, self.summary = options, [], {}, {}
        self.folders = {os.environ["WANDB_DIR"], os.environ["WANDB_DATA_DIR"]}

    def log(self, values, step):
        self.logged.append((step, values))

    def define_metric(self, name, summary):
        self.metrics[name] = summary

    def finish(self):
        self.finished = True


@pytest.fixture
def started(monkeypatch) -> list[Run]:
    """The runs that were started there."""
    begun: list[Run] = []

    def init(**options):
        begun.append(Run(**options))
        return begun[-1]

    stand_in = SimpleNamespace(
        init=init,
        login=lambda verify: True,
        errors=SimpleNamespace(Error=Failure),
        Image=lambda picture, caption: caption,
    )
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    for variable in ("WANDB_MODE", "WANDB_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    return begun


@pytest.fixture
def resolved():
    return builder.read(DRAWN, ["log.wandb=true"]).resolved


def test_runs_in_folders_of_one_name_have_ids_of_their_own(started, resolved, tmp_path):
    folders = [tmp_path / kind / "seed-0" for kind in ("soft-dot", "multi_head")]
    for folder in folders:
        folder.mkdir(parents=True)
        RunLog(folder, wandb=resolved).close()
    ids = [run.options["id"] for run in started]
    assert len(set(ids)) == 2
    assert ids == [(folder / "wandb_id.txt").read_text(encoding="utf-8").strip() for folder in folders]
    assert [run.folders for run in started] == [{str(folder)} for folder in folders]
    assert all(run.finished for run in started)


def test_a_resumed_run_keeps_its_id(started, resolved, tmp_path):
    RunLog(tmp_path, wandb=resolved)
    RunLog(tmp_path, step=3, wandb=resolved)
    first, second = (run.options for run in started)
    assert first["id"] == second["id"]
    assert second["resume"] == "allow"


def test_a_run_that_an_earlier_version_started_goes_on_under_its_name(started, resolved, tmp_path):
    RunLog(tmp_path, step=3, wandb=resolved)
    assert started[0].options["id"] == tmp_path.name


def test_the_summary_has_the_best_validation_of_the_whole_run(started, resolved, tmp_path):
    log = RunLog(tmp_path, wandb=resolved)
    for step, score in ((1, 0.2), (2, 0.7), (3, 0.4)):
        log.write("train", step, epoch=step, loss=1.0)
        log.write("validation", step, epoch=step, **{"CIDEr-D": score, "BLEU-4": 0.1})
    best = {"best/CIDEr-D": 0.7, "best/epoch": 2, "best/step": 2}
    assert started[0].summary == best
    assert started[0].metrics == {"validation/CIDEr-D": "max"}
    assert started[0].logged[1] == (1, {"validation/epoch": 1, "validation/CIDEr-D": 0.2, "validation/BLEU-4": 0.1})
    RunLog(tmp_path, step=3, wandb=resolved).write("validation", 4, epoch=4, **{"CIDEr-D": 0.5})
    assert started[1].summary == best


def test_tags_are_the_kinds_of_the_parts(started, resolved, tmp_path):
    RunLog(tmp_path, wandb=resolved)
    assert started[0].options["tags"] == ["drawn", "small_cnn", "lstm", "teacher_forcing", "soft:additive"]


def test_the_seeds_of_a_kind_are_a_group(started, settings, tmp_path):
    kept = [one for one in settings if not one.startswith(("run.folder", "attention.", "encoder.from_run"))]
    options = [*kept, "log.wandb=true", "log.samples=1", "run.epochs=1"]
    comparison.compare(DRAWN, ["soft:general"], 2, tmp_path / "kinds", ["val"], options)
    assert [run.options["name"] for run in started] == ["kinds soft-general seed-0", "kinds soft-general seed-1"]
    assert {run.options["group"] for run in started} == {"kinds soft-general"}
    assert len({run.options["id"] for run in started}) == 2
    samples = [name for run in started for _, values in run.logged for name in values if name.startswith("samples")]
    assert samples == ["samples/0"] * 2


def test_pictures_of_different_sizes_are_logged_one_by_one(started, resolved, tmp_path):
    pictures = [(Image.new("RGB", (9 * number, 9)), f"caption {number}") for number in (1, 2)]
    RunLog(tmp_path, samples=lambda: pictures, wandb=resolved).write("validation", 1, epoch=1)
    assert started[0].logged == [(1, {"validation/epoch": 1, "samples/0": "caption 1", "samples/1": "caption 2"})]


def test_without_a_key_nothing_is_computed(started, settings, tmp_path, monkeypatch):
    def login(verify):
        raise Failure("No API key configured.\nUse `wandb login` to log in.")

    monkeypatch.setattr(sys.modules["wandb"], "login", login)
    with pytest.raises(UserError, match=r"run `wandb login`, set WANDB_MODE=offline") as caught:
        runs.train(DRAWN, [*settings, "log.wandb=true"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_login()


def test_a_server_that_cannot_be_reached_is_one_line(started, resolved, tmp_path, monkeypatch):
    def init(**options):
        raise Failure("no connection")

    monkeypatch.setattr(sys.modules["wandb"], "init", init)
    with pytest.raises(UserError, match=r"\(no connection\); run `wandb login`"):
        RunLog(tmp_path, wandb=resolved)
    assert os.environ.get("WANDB_DIR") != str(tmp_path)  # the next run of this process has another folder


def test_an_environment_that_wandb_refuses_is_one_line(started, resolved, tmp_path, monkeypatch):
    def refuse(**options):
        raise ValueError("mode\n  Input should be 'online'")  # pydantic's, which is none of wandb's errors

    for name in ("login", "init"):
        monkeypatch.setattr(sys.modules["wandb"], name, refuse, raising=False)
    complaint = r"\(mode Input should be 'online'\); run `wandb login`"
    with pytest.raises(UserError, match=complaint):
        check_login()
    with pytest.raises(UserError, match=complaint):
        RunLog(tmp_path, wandb=resolved)
