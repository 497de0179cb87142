"""Training accepts every config, and the head of each says how it was run."""

from __future__ import annotations

import pytest

from captioner import builder
from tests.helpers import CONFIGS

EXPERIMENTS = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != "base")


def test_there_are_configs():
    assert len(EXPERIMENTS) > 5


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_config_is_taken_and_its_head_has_command_and_outcome(path):
    settings = builder.read(path)
    assert settings.encoder.kind
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    text = " ".join(line.strip("# ") for line in head)
    assert f"python train.py configs/{path.name}" in text
    assert "not run" in text.lower() or "reached on validation" in text.lower()


def test_keys_that_every_kind_has_survive_a_change_of_kind():
    settings = builder.read(CONFIGS / "pascal_soft.yaml", ["data.kind=table", "data.root=mine"])
    assert (settings.data.min_count, settings.data.options["captions"]) == (3, "captions.csv")


@pytest.mark.parametrize(("name", "grid"), [("coco_soft", 7), ("coco_soft_14", 14)])
def test_cocos_two_configs_have_the_grids_that_they_say(name, grid):
    encoder = builder.make_encoder(builder.read(CONFIGS / f"{name}.yaml"), download=False)
    assert (encoder.layout.rows, encoder.layout.columns) == (grid, grid)
    assert encoder.region_size == 2048
    assert encoder.frozen
