"""Scores of other data than the run's: they have a folder of their own, and their baselines are of the run's training split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from captioner import cli, metrics
from captioner.commands.evaluate import evaluate, save_page
from captioner.commands.train import training_run as runs
from captioner.data.drawn import drawn
from tests.cli.test_cli import run
from tests.helpers import DRAWN, TINY, tiny_settings


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory) -> Path:
    """A run that is scored on its own data."""
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(pictures, root / "own")
    folder = root / "run"
    settings = [setting for setting in tiny_settings(root / "own", folder) if not setting.startswith("data.num")]
    runs.train(DRAWN, [*settings, "data.kind=coco", "run.epochs=1"])
    evaluate(folder, java=False)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Other pictures of the same kind, with captions that name what is in no training caption."""
    root = tmp_path_factory.mktemp("data") / "other"
    drawn(str(root), **TINY)
    for path in root.glob("captions*.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("red", "crimson"), encoding="utf-8")
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_results_of_other_data_of_the_same_kind_lie_in_a_folder_of_their_own(trained, other):
    before = files_of(trained / "val")
    evaluation = evaluate(trained, overrides=[f"data.root={other}"], java=False)
    assert files_of(trained / "val") == before
    assert evaluation.folder == trained / "val-other"
    assert evaluation.protocol.split == "val of other"
    assert "val of other" in save_page(evaluation).read_text(encoding="utf-8")
    assert json.loads((evaluation.folder / "dataset.json").read_text())["root"] == str(other)
    assert evaluate(trained, overrides=[f"data.root={other}"], java=False).folder == evaluation.folder


def test_baselines_and_new_captions_of_other_data_are_of_the_runs_training_split(trained, other):
    own = evaluate(trained, java=False)
    elsewhere = evaluate(trained, overrides=[f"data.root={other}"], java=False)
    assert not any("crimson" in text for text in elsewhere.systems[metrics.NEAREST].values())
    assert set(elsewhere.systems[metrics.MOST_FREQUENT].values()) == set(own.systems[metrics.MOST_FREQUENT].values())
    assert elsewhere.rows[own.name]["novel"] == own.rows[own.name]["novel"]


def test_data_of_the_same_name_in_two_places_have_two_folders(trained, other, tmp_path):
    shutil.copytree(other, tmp_path / "other")
    first = evaluate(trained, overrides=[f"data.root={other}"], baselines=False, java=False)
    second = evaluate(trained, overrides=[f"data.root={tmp_path / 'other'}"], baselines=False, java=False)
    assert (first.folder.name, second.folder.name) == ("val-other", "val-other-2")


def test_the_runs_own_data_by_another_path_is_its_own(trained, tmp_path):
    (tmp_path / "link").symlink_to(trained.parent / "own")
    assert evaluate(trained, overrides=[f"data.root={tmp_path / 'link'}"], baselines=False).folder == trained / "val"


def test_data_that_was_moved_is_still_the_runs_own_and_other_data_is_not(trained, other, tmp_path, capsys):
    own = trained.parent / "own"
    moved = shutil.move(own, tmp_path / "moved")
    try:
        assert evaluate(trained, overrides=[f"data.root={moved}"], baselines=False).folder == trained / "val"
        status, out, err = run(capsys, cli.evaluate, trained, f"data.root={other}", "--no-page", "--no-java")
        assert status == 0
        assert "baselines and the share of new captions are left out" in err
        assert metrics.MOST_FREQUENT not in out
        assert "novel" not in out
    finally:
        shutil.move(moved, own)


def test_a_run_that_cannot_be_written_is_scored_into_another_folder(trained, tmp_path, capsys, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    out = tmp_path / "scores"
    status, _, _ = run(capsys, cli.evaluate, trained, "--out", out, "--no-java")
    assert status == 0
    assert sorted(files_of(out)) == ["report.html", "results.json", "scores.json"]
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before

    def refuse(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr("captioner.files.TemporaryFile", refuse)
    status, _, err = run(capsys, cli.evaluate, trained)
    assert status == 2
    assert f"cannot be written into {trained / 'val'}" in err
    assert "read-only" in err
    assert "--out FOLDER" in err
