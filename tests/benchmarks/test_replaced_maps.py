"""The cost of uniform maps on a whole split."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from benchmarks import replaced_maps
from captioner.attention import uniform
from captioner.commands.evaluate import evaluate
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from tests.helpers import DRAWN, TINY, tiny_settings


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    runs.train(DRAWN, tiny_settings(pictures, folder))
    return folder


def test_costs_of_two_runs_and_their_difference_are_printed(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["replaced_maps.py", str(run), str(run), "--tokens", "ptb", "search.kind=beam"])
    replaced_maps.main()
    first, cost, second, same = capsys.readouterr().out.splitlines()[-4:]
    own, replaced = (float(text.split(",")[0]) for text in first.split(" maps ")[1:])
    assert float(cost.split()[3]) == pytest.approx(own - replaced, abs=0.11)
    assert second == first
    assert same == f"{cost}, 0.0 [0.0, 0.0] more than the first run"


def test_the_second_captions_are_written_with_uniform_maps(run, monkeypatch):
    seen = []

    def watched(*given):
        seen.append(uniform(*given))
        return seen[-1]

    monkeypatch.setattr(replaced_maps, "uniform", watched)
    replaced_maps.scores(run, [])
    assert seen
    assert all((maps == maps[..., :1]).all() for maps in seen)


def test_a_models_own_maps_cost_nothing_and_photos_without_references_are_left_out(run, monkeypatch):
    def first_without(*given, **options):
        found = evaluate(*given, **options)
        return replace(found, examples=[replace(found.examples[0], references=[]), *found.examples[1:]])

    monkeypatch.setattr(replaced_maps, "evaluate", first_without)
    monkeypatch.setattr(replaced_maps, "replace_maps", lambda decoder, change: nullcontext())
    own, same = replaced_maps.scores(run, [])
    assert len(own) == TINY["num_val"] - 1
    assert own.tolist() == same.tolist()
    assert own.any()


def test_a_model_without_maps_is_refused(settings, tmp_path):
    kept = [setting for setting in settings if not setting.startswith("attention.")]
    runs.train(DRAWN, [*kept, "attention.kind=none"])
    with pytest.raises(UserError, match=r"should have maps, got attention\.kind=none"):
        replaced_maps.scores(tmp_path / "run", [])
