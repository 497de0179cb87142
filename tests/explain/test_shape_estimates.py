"""The shape of maps, with intervals over photos, on maps whose shape is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from captioner.explain.shape import map_shape
from captioner.explain.shape_estimates import shape_estimates
from captioner.regions import Grid, Placement
from captioner.search import Caption
from tests.explain.test_shape import caption_of


def estimate(name: str, *captions: Caption) -> float | None:
    return shape_estimates(list(enumerate(captions)))[name].value


def test_estimates_are_those_of_the_means():
    captions = [caption_of([0.1, 0.2, 0.3, 0.4], [0.25] * 4), caption_of([0, 1, 0, 0], [0, 0.5, 0.5, 0], [1, 0, 0, 0])]
    shape = map_shape(captions)
    for name in ("entropy", "sharpness", "change"):
        assert estimate(name, *captions) == pytest.approx(getattr(shape, name))


def test_the_effective_number_of_regions_counts_those_that_share():
    assert estimate("regions", caption_of([0.5, 0, 0.5, 0])) == pytest.approx(2)
    assert estimate("regions", caption_of([0.25] * 4)) == pytest.approx(4)


def test_divergence_is_one_bit_where_maps_do_not_meet_and_none_where_they_stay():
    assert estimate("divergence", caption_of([1, 0, 0, 0], [0, 0, 1, 0])) == pytest.approx(1)
    assert estimate("divergence", caption_of([0.7, 0.3, 0, 0], [0.7, 0.3, 0, 0])) == pytest.approx(0, abs=1e-6)


def test_a_caption_that_attends_everywhere_covers_all_regions():
    assert estimate("coverage", caption_of(*torch.eye(4).tolist())) == pytest.approx(1)
    assert estimate("coverage", caption_of([1, 0, 0, 0], [1, 0, 0, 0])) == pytest.approx(1 / 4)


def test_the_middle_is_lifted_where_maps_prefer_it():
    four = {"layout": Grid(4, 4), "placement": Placement.whole((80, 80))}
    flat, middle = torch.full((1, 16), 1 / 16), torch.zeros(1, 16)
    middle[0, [5, 6, 9, 10]] = 0.25
    captions = [replace(caption_of([0.25] * 4), weights=weights, **four) for weights in (flat, middle)]
    assert [estimate("centre", caption) for caption in captions] == pytest.approx([1, 4])


def test_a_model_without_maps_has_no_estimates():
    assert shape_estimates([(0, replace(caption_of([1, 0, 0, 0]), weights=None))]) == {}
