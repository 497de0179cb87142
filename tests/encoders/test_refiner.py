"""Self-attention among regions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from captioner.encoders import Refiner
from captioner.regions import Boxes, Grid
from tests.helpers import REGION, make_regions
from tests.reference.multi_head import multi_head_attention

POSITIONS = ["sinusoids", "geometry", "none"]


def make_refiner(position: str = "none", layers: int = 2) -> Refiner:
    torch.manual_seed(0)
    return Refiner(REGION, layers, heads=3, size=6, feedforward_size=8, position=position).double().eval()


def test_a_layer_agrees_with_its_equations():
    refiner, regions = make_refiner(layers=1), make_regions()
    layer, found = refiner.layers[0], refiner(regions)
    for photo in range(3):
        entered = refiner.enter(regions.features[photo])
        normed = layer.norms[0](entered)
        seen = [multi_head_attention(one, normed, regions.mask[photo], layer.attention)[0] for one in normed]
        features = entered + torch.stack(seen)
        first, _, _, second = layer.feedforward
        features = features + second(functional.relu(first(layer.norms[1](features))))
        torch.testing.assert_close(found.features[photo], refiner.last_norm(features))


def test_a_feature_of_the_whole_photo_is_projected_and_takes_the_place_of_the_mean():
    torch.manual_seed(0)
    refiner = Refiner(REGION, 0, size=6, project=True, whole_size=5).double().eval()
    regions = replace(make_regions(), whole=torch.randn(3, 5, dtype=torch.float64))
    refined = refiner(regions)
    enter, _, norm = refiner.whole
    torch.testing.assert_close(refined.photo(), norm(enter(regions.whole)))
    chosen = refined.select(torch.tensor([2, 0])).to(dtype=torch.float32)
    torch.testing.assert_close(chosen.photo(), refined.photo()[[2, 0]].float())
    without = replace(regions, whole=None)
    torch.testing.assert_close(refined.features, _without_whole(refiner)(without).features)


def _without_whole(refiner: Refiner) -> Refiner:
    plain = Refiner(REGION, 0, size=6, project=True).double().eval()
    plain.load_state_dict(refiner.state_dict(), strict=False)
    return plain


@pytest.mark.parametrize("position", POSITIONS)
def test_what_padding_holds_does_not_matter(position):
    refiner, regions = make_refiner(position), make_regions()
    other = replace(regions, features=regions.features.masked_fill(~regions.mask[..., None], 1e3))
    one, two = (refiner(given).features[regions.mask] for given in (regions, other))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("position", POSITIONS)
def test_positions_matter_unless_position_is_none(position):
    refiner, regions = make_refiner(position), make_regions(num_photos=1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    one = refiner(regions).features[:, order]
    two = refiner(replace(regions, features=regions.features[:, order])).features
    assert torch.allclose(one, two) == (position == "none")


@pytest.mark.parametrize("position", POSITIONS)
def test_boxes_that_tile_the_view_are_a_grid(position):
    refiner, regions = make_refiner(position), make_regions(rows=3, columns=3)
    boxes = Boxes(Grid(3, 3).corners().expand(3, -1, -1))
    torch.testing.assert_close(refiner(regions).features, refiner(replace(regions, layout=boxes)).features)


def test_maps_are_distributions_over_real_regions():
    refiner, regions = make_refiner(), make_regions()
    maps = refiner.maps(regions)
    assert [weights.shape for weights in maps] == [(3, 6, 3, 6)] * 2
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(3, 6, 3, dtype=torch.float64))
    assert (maps[1].masked_select(~regions.mask[:, None, None]) == 0).all()


@pytest.mark.parametrize("position", POSITIONS)
def test_gradients_reach_every_parameter(position):
    refiner = make_refiner(position)
    refiner(make_regions()).features.pow(3).sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in refiner.parameters())


@pytest.mark.parametrize("position", POSITIONS)
def test_sums_of_layers_stay_exact_under_autocast(position):
    refiner, regions = make_refiner(position).float(), make_regions()
    regions = replace(regions, features=regions.features.float())
    placed = refiner._placed(regions)
    with torch.autocast("cpu", torch.bfloat16):
        entered = refiner._placed(regions)
    assert entered.dtype == placed.dtype == torch.float32
    torch.testing.assert_close(entered, placed, atol=0.05, rtol=0.05)


def test_a_size_of_one_is_allowed():
    refiner = Refiner(REGION, size=1, project=True).double()
    assert refiner(make_regions()).features.shape == (3, make_regions().mask.shape[1], 1)
