"""The cost of uniform maps on a whole split."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from benchmarks import replaced_maps
from captioner.commands.train import training_run as runs
from tests.helpers import DRAWN, tiny_settings


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    runs.train(DRAWN, tiny_settings(pictures, folder))
    return folder


def test_scores_with_both_kinds_of_maps_and_their_difference_are_printed(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["replaced_maps.py", str(run)])
    replaced_maps.main()
    photos, cost = capsys.readouterr().out.splitlines()[-2:]
    own, replaced = (float(text.split()[0]) for text in photos.split(" maps ")[1:])
    assert float(cost.split()[3]) == pytest.approx(own - replaced, abs=0.11)


def test_the_models_own_maps_cost_nothing(run, monkeypatch):
    monkeypatch.setattr(replaced_maps, "replace_maps", lambda decoder, change: nullcontext())
    own, same = replaced_maps.scores(run, [])
    assert own == same
    assert any(own)
