"""The benchmark of growth: what it fits and names, and what each of its processes measures."""

from __future__ import annotations

import json

import pytest

from benchmarks import growth
from tests.helpers import TINY


def stages(size, power):
    return {name: {"seconds": 0.001 * size**power, "peak": 100.0} for name in growth.STAGES}


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_found(power):
    assert growth.exponent({size: 3 * size**power for size in (10, 40, 160)}) == pytest.approx(power)


def test_what_grows_faster_than_its_input_is_named(capsys):
    growth.report(2, {size: stages(size, 1.0) | {"scoring": stages(size, 1.3)["scoring"]} for size in (100, 400)})
    printed = capsys.readouterr().out
    assert "FASTER THAN ITS INPUT grows, in 2 processes: scoring (1.30)" in printed
    assert "1.9 min" in printed  # 113,287 photos at a millisecond each


def test_constant_costs_do_not_make_coco_cheaper(capsys):
    growth.report(1, {100: stages(100, 0.0), 400: stages(400, 0.0)})
    assert "FASTER" not in capsys.readouterr().out
    assert growth.duration(0.001 * 113_287 / 400) == "0 s"


def test_a_process_measures_every_stage(pictures, tmp_path, capsys):
    encoder = ["kind=timm", "network=test_resnet", "weights=none", "from_run=''", "input_size=64"]
    settings = [
        f"data.root={pictures}",
        f"run.features={tmp_path}",
        *(f"data.{key}={value}" for key, value in TINY.items()),
    ]
    sizes = ["decoder.hidden_size=8", "attention.size=8", "search.max_length=4"]
    growth.work(8, tmp_path / "run", [*settings, *(f"encoder.{value}" for value in encoder), *sizes])
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured.keys() == growth.STAGES.keys()
    assert all(stage["seconds"] > 0 and stage["peak"] > 0 for stage in measured.values())
