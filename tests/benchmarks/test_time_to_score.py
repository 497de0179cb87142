"""The benchmark of the time to a score, on a tiny data set: what it trains, what it says, and how it goes on."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import time_to_score
from tests.helpers import DRAWN, tiny_settings

ENCODER = ["kind=timm", "network=test_resnet", "weights=none", "input_size=64"]
SIZES = ["decoder.hidden_size=8", "decoder.word_size=8", "attention.size=8"]


@pytest.fixture
def run(pictures, tmp_path, monkeypatch):
    """Runs the benchmark with a frozen encoder of random weights, two epochs of ours, and a share of the textbook's epoch."""
    monkeypatch.setattr(time_to_score, "SETTINGS", [*time_to_score.SETTINGS, *SIZES])
    tiny = [size for size in tiny_settings(pictures, tmp_path) if not size.startswith(("encoder.", "run.f"))]
    settings = [*tiny, *(f"encoder.{value}" for value in ENCODER), "run.epochs=2", "search.max_length=5"]
    out = tmp_path / "out"

    def run(epochs: float, hours: float = 1.0) -> list[tuple[str, int]]:
        monkeypatch.setattr(sys.modules["textbook_recipe"], "EPOCHS", epochs)
        time_to_score.main(DRAWN, None, hours, 64, 0.0, out, 1, settings)
        lines = (out / "progress.jsonl").read_text(encoding="utf-8").splitlines()
        return [(point["name"], point["captions"]) for point in map(json.loads, lines)]

    return run


def test_both_train_in_turn_are_scored_and_go_on_later(run, capsys):
    points = run(epochs=0.4)
    printed = capsys.readouterr().out
    assert sorted(points) == [("captioner", 240), ("captioner", 480), ("textbook", 64), ("textbook", 128)]
    assert "captioner needs 1/" in printed
    assert "CIDEr-D" in printed
    assert "tokens: ptb | decoding: beam 5" in printed
    assert run(epochs=0.6) == [*points, ("textbook", 192)]


def test_without_time_it_is_said_that_there_is_no_score(run, capsys, tmp_path):
    with pytest.raises(FileNotFoundError):  # nothing was scored
        run(epochs=0.4, hours=0.0)
    printed = capsys.readouterr().out
    assert "captioner was stopped by the limit of 0 s" in printed
    assert "no time to a score: one of the two has no score; give more --hours, or --rows" in printed
