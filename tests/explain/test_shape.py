"""The shape of maps, on maps whose shape is known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from captioner.explain.shape import map_shape
from captioner.regions import Grid
from captioner.search import Caption


def caption_of(*maps: list[float]) -> Caption:
    weights = torch.tensor(maps)
    words = ["word"] * len(maps)
    empty = torch.zeros(len(maps))
    return Caption("", words, empty, 0.0, True, weights, None, None, None, "after", Grid(2, 2), None)


def test_a_uniform_map_is_spread_and_one_region_is_sharp():
    assert map_shape([caption_of([0.25] * 4)]).entropy == pytest.approx(1)
    sharp = map_shape([caption_of([0, 1, 0, 0])])
    assert (sharp.entropy, sharp.sharpness) == (0, 1)


def test_captions_of_one_word_have_no_change():
    assert map_shape([caption_of([0, 1, 0, 0]), caption_of([1, 0, 0, 0])]).change is None


def test_change_is_the_share_of_the_weight_that_moves():
    assert map_shape([caption_of([0, 1, 0, 0], [0, 0.75, 0.25, 0], [0, 0.75, 0.25, 0])]).change == pytest.approx(0.125)


def test_maps_that_sum_to_less_are_scaled_and_empty_ones_left_out():
    one, two = (map_shape([caption_of(*maps)]) for maps in ([[0.1, 0.3, 0, 0]], [[0.25, 0.75, 0, 0], [0, 0, 0, 0]]))
    assert one == two


def test_maps_of_tiny_sums_are_scaled_too():
    shape = map_shape([caption_of([1, 0, 0, 0], [1e-38] * 4)])
    assert (shape.entropy, shape.sharpness) == (pytest.approx(0.5), pytest.approx(0.625))


def test_where_there_are_no_maps_there_is_no_shape():
    assert map_shape([replace(caption_of([1, 0, 0, 0]), weights=None)]) is None


def test_the_share_of_a_sentinel_is_no_change_of_the_map():
    assert map_shape([caption_of([0.5, 0.5, 0, 0], [0.25, 0.25, 0, 0])]).change == 0


def test_training_needs_no_other_module_of_explain():
    code = "import sys, captioner.explain.shape; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    names = {name for name in loaded if name.startswith("captioner.explain")}
    assert names == {"captioner.explain", "captioner.explain.shape"}
