"""The benchmark of captioners: every model captions photos, in turn, and what had no turn is said."""

from __future__ import annotations

import io
import json

import pytest
import torch

from benchmarks import captioners


class FakeWorker(captioners.Worker):
    """Takes a turn without a process."""

    def __init__(self, name, seconds):
        self.name, self.seconds, self.answers = name, seconds, {search: [] for search in captioners.SEARCHES}

    def turn(self, search, count=0, keep=True):
        if keep:
            self.answers[search].append({"seconds": self.seconds, "words": 9.0, "peak": 2**20})


def test_ratios_are_to_ours(capsys):
    workers = [FakeWorker("captioner", 0.1), FakeWorker("blip", 2.0)]
    captioners.measure(workers, rounds=3, seconds=60)
    captioners.report(workers, tokens=12, layers=12)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "blip" in line and "greedy" in line]
    assert row.split()[1::2][2:7] == ["0.50", "2,000", "20.0", "9.0", "3"]


def test_models_without_a_turn_are_said(capsys):
    workers = [FakeWorker("captioner", 0.1)]
    captioners.measure(workers, rounds=3, seconds=0)
    captioners.report(workers, tokens=12, layers=12)
    assert "this machine needs more --seconds" in capsys.readouterr().out


def test_the_process_of_our_model_answers_every_line(tmp_path, monkeypatch, capsys):
    paths = sorted(captioners.make_photos(tmp_path).iterdir())
    assert len(paths) > 3
    monkeypatch.setattr("sys.stdin", io.StringIO("[1, 2]\n[3, 1]\n"))
    captioners.work("captioner", paths, tokens=12, layers=12)
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 2
    assert all(answer["words"] > 2 for answer in answers)


@pytest.mark.parametrize("name", ["blip", "vit-gpt2"])
def test_the_others_write_as_many_tokens_as_asked(name, tmp_path):
    pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[clip]'")
    path = next(captioners.make_photos(tmp_path).iterdir())
    with torch.inference_mode():
        caption = captioners.OTHERS[name](tokens=3, layers=1)
        assert [caption([path], beams) for beams in (1, 3)] == [3.0, 3.0]
