"""The table of runs: what settings, log and checkpoint say."""

from __future__ import annotations

import shutil

from captioner import cli
from captioner.commands.train import training_run
from tests.builder.test_renamed import OLD_RUN
from tests.cli.test_cli import run
from tests.helpers import DRAWN


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


def test_a_folder_without_runs_is_one_line(capsys, tmp_path):
    status, _, errors = run(capsys, cli.runs, tmp_path)
    assert status == 2
    assert errors == f"error: no runs in {tmp_path}; train one, or give the folder that holds your runs\n"
