"""Replacing weights changes what is summed, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from captioner.attention import KINDS, AttentionOnAttention, Query, Replaced, Shuffled, given, uniform
from captioner.regions import Grid, Regions
from tests.attention.test_contract import make_query
from tests.helpers import QUERY, make_attention, make_regions

ATTENDING = [kind for kind in KINDS if kind != "none"]


def attend(attention, query=None):
    return attention(query or make_query(), attention.remember(make_regions()))


def kept(weights, memory, query):
    return weights


def test_the_table_is_not_empty():
    assert ATTENDING


@pytest.mark.parametrize("kind", ATTENDING)
def test_weights_that_are_kept_bring_the_same_context(kind):
    attention = make_attention(kind)
    own, same = attend(attention), attend(Replaced(attention, kept))
    torch.testing.assert_close(same.context, own.context)
    torch.testing.assert_close(same.weights, own.weights)


@pytest.mark.parametrize("kind", ATTENDING)
@pytest.mark.parametrize("change", [uniform, Shuffled(1)])
def test_new_weights_have_the_sum_of_the_old_ones_and_reach_real_regions_only(kind, change):
    attention, regions = make_attention(kind), make_regions()
    own, new = attend(attention), attend(Replaced(attention, change))
    torch.testing.assert_close(new.weights.sum(-1), own.weights.sum(-1))
    assert (new.weights.masked_select(~regions.mask[:, None].expand_as(new.weights)) == 0).all()
    assert not torch.allclose(new.weights, own.weights)


@pytest.mark.parametrize("kind", ATTENDING)
def test_shuffled_weights_are_the_same_numbers(kind):
    attention = make_attention(kind)
    own, new = attend(attention), attend(Replaced(attention, Shuffled(3)))
    numbers = (own.weights, new.weights) if own.head_weights is None else (own.head_weights, new.head_weights)
    torch.testing.assert_close(numbers[0].sort(-1).values, numbers[1].sort(-1).values)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_uniform_map_sees_the_mean_region(kind):
    context = attend(Replaced(make_attention(kind), uniform)).context
    torch.testing.assert_close(context, make_regions().mean()[:, None].expand_as(context))


def test_hard_attention_sees_the_likeliest_region_of_the_new_map():
    regions = make_regions()
    there = torch.zeros(3, 4, 6, dtype=torch.float64)
    there[..., 2], there[..., 1] = 0.6, 0.4
    context = attend(Replaced(make_attention("hard"), lambda *_: there)).context
    torch.testing.assert_close(context, regions.features[:, 2:3].expand_as(context))


def test_a_sentinel_keeps_its_share_and_its_part_of_the_context():
    attention = make_attention("adaptive")
    own, new = attend(attention), attend(Replaced(attention, uniform))
    assert new.sentinel.equal(own.sentinel)
    memory = attention.remember(make_regions())
    by_sentinel = own.context - own.weights @ memory.values
    torch.testing.assert_close(new.context - new.weights @ memory.values, by_sentinel)


def test_every_head_is_replaced():
    attention = make_attention("multi_head")
    new = attend(Replaced(attention, uniform))
    for photo, mask in enumerate(make_regions().mask):
        wanted = (mask / mask.sum()).double().expand_as(new.head_weights[photo])
        torch.testing.assert_close(new.head_weights[photo], wanted)


@pytest.mark.parametrize("kind", ATTENDING)
def test_maps_of_other_words_are_those_at_their_positions(kind):
    """One word of some captions, as recurrent decoders ask; all words of all captions, as transformers do; beams of one photo."""
    own = attend(make_attention(kind))
    maps = torch.rand(3, 4, 5, *(own.weights if own.head_weights is None else own.head_weights).shape[2:]).double()
    maps = maps * make_regions().mask[(slice(None), *[None] * (maps.dim() - 2))]
    attention = Replaced(make_attention(kind), given, maps)
    query = make_query()
    for position in (2, 7):
        new = attend(attention, replace(query, position=torch.full((3, 4), position)))
        wanted = maps[:, :, min(position, 4)]
        wanted = wanted / wanted.sum(-1, keepdim=True)
        wanted = wanted.mean(2) if own.head_weights is not None else wanted
        torch.testing.assert_close(new.weights, wanted * own.weights.sum(-1, keepdim=True))


def test_every_word_of_every_caption_has_its_map():
    maps, attention = torch.rand(3, 2, 2, 6).double() + 0.1, make_attention("soft")
    maps = maps / maps.sum(-1, keepdim=True)
    query = replace(make_query(), position=torch.tensor([0, 1]).repeat(2).expand(3, -1))
    torch.testing.assert_close(attend(Replaced(attention, given, maps), query).weights, maps.flatten(1, 2))
    beams = Replaced(attention, given, maps[:, :1])
    attended = attend(beams, replace(query, position=torch.ones(3, 4, dtype=torch.long)))
    torch.testing.assert_close(attended.weights, maps[:, :1, 1].expand(-1, 4, -1))
    memory = beams.remember(make_regions()).select(torch.tensor([2]))
    last = Query(query.hidden[2:], torch.zeros(1, 4, dtype=torch.long))
    torch.testing.assert_close(beams(last, memory).weights, maps[2:, :1, 0].expand(-1, 4, -1))


def test_attention_on_attention_keeps_the_weights_of_the_kind_inside():
    inner = make_attention("soft")
    around = AttentionOnAttention(Replaced(inner, uniform), QUERY).double()
    attended = attend(around)
    assert attended.weights.equal(attend(Replaced(inner, uniform)).weights)


def test_a_kind_without_weights_is_refused():
    with pytest.raises(ValueError, match="NoAttention has no weights to replace"):
        attend(Replaced(make_attention("none"), uniform))


def test_the_mean_region_keeps_the_precision_of_the_features():
    features = torch.randn(2, 7, 5, dtype=torch.float64)
    mean = Regions.full(features, Grid(1, 7)).mean()
    torch.testing.assert_close(mean, features.mean(1), atol=1e-12, rtol=0)
