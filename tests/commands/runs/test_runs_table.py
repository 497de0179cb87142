"""The table of runs: what settings, log and checkpoint say."""

from __future__ import annotations

import re
import shutil

import pytest

from captioner import builder, cli
from captioner.commands.pack.packing import trained_on_before
from captioner.commands.train import training_run
from captioner.training.checkpoints import BEST, checkpoint_state
from tests.builder.test_renamed import OLD_RUN
from tests.cli.test_cli import run
from tests.helpers import CONFIGS, DRAWN


def test_runs_are_listed_with_their_best_score_and_state(capsys, monkeypatch, settings, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    training_run.train(DRAWN, [*settings, "run.epochs=1"])
    shutil.copytree(OLD_RUN, tmp_path / "group" / "old")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "settings.yaml").write_text("run: [", encoding="utf-8")
    status, output, _ = run(capsys, cli.runs, tmp_path)
    assert status == 0
    for word in ("drawn", "lstm", "soft", "CIDEr-D", "1/1", "finished", "group/old", "broken"):
        assert word in output
    assert "damaged" in output
    _, output, _ = run(capsys, cli.runs, tmp_path / "broken")
    assert re.search(r"^ *broken .*damaged", output, re.MULTILINE)


def test_the_score_is_that_of_the_best_weights_after_another_search(capsys, monkeypatch, settings, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    folder = training_run.train(DRAWN, [*settings, "run.epochs=2", "optimiser.learning_rate=0.02"])
    training_run.train(
        DRAWN, [*settings, "run.epochs=3", "optimiser.learning_rate=0.02", "search.max_length=1"], change=True
    )
    score = checkpoint_state(folder / BEST)["scores"]["CIDEr-D"]
    _, output, _ = run(capsys, cli.runs, tmp_path)
    assert re.search(rf" {100 * score:.1f} +3/3 ", output)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("me/photos", " me/photos "), ("/home/me/birds", " birds "), ("../birds", " birds "), ("a/b/birds", " birds ")],
)
def test_data_of_the_hub_is_shown_by_its_name(capsys, monkeypatch, tmp_path, name, shown):
    monkeypatch.setenv("COLUMNS", "200")
    settings = builder.read(CONFIGS / "own_photos.yaml", ["data.kind=hf", f"data.name={name}", "data.root=data/hf"])
    (tmp_path / "settings.yaml").write_text(builder.save_settings(settings), encoding="utf-8")
    status, output, _ = run(capsys, cli.runs, tmp_path)
    assert status == 0
    assert shown in output
    assert trained_on_before(tmp_path, settings) == shown.strip()


def test_a_folder_without_runs_is_one_line(capsys, tmp_path):
    status, _, errors = run(capsys, cli.runs, tmp_path)
    assert status == 2
    assert errors == f"error: no runs in {tmp_path}; train one, or give the folder that holds your runs\n"


def test_numbers_and_states_are_whole_on_a_narrow_terminal(capsys, monkeypatch, settings, tmp_path):
    monkeypatch.setenv("COLUMNS", "70")
    names = ["run.monitor=ROUGE-L", "attention.kind=local_predictive", "run.epochs=1"]
    folder = training_run.train(DRAWN, [*settings, *names])
    score = checkpoint_state(folder / BEST)["scores"]["ROUGE-L"]
    _, output, _ = run(capsys, cli.runs, tmp_path)
    assert re.search(rf" ROUGE-L {100 * score:.1f} +1/1 +\d\d-\d\d \d\d:\d\d +finished *$", output, re.MULTILINE)
    (folder / "newest.safetensors").unlink()
    (folder / "log.jsonl").unlink()  # as in a packed model
    _, output, _ = run(capsys, cli.runs, tmp_path)
    assert re.search(rf" ROUGE-L {100 * score:.1f} +1/1 ", output)
