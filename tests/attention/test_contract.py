"""What holds for every kind of attention."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from captioner.attention import KINDS, SCORES, Query
from captioner.regions import Boxes, Grid
from tests.helpers import QUERY, REGION, make_attention, make_regions, make_score, takes_score
from tests.reference.adaptive import adaptive_attention
from tests.reference.local import local_monotonic, local_predictive
from tests.reference.multi_head import multi_head_attention
from tests.reference.scores import EQUATIONS
from tests.reference.show_attend_tell import additive_soft_attention

ALL = [(kind, score) for kind in KINDS for score in SCORES if takes_score(kind) or score == "additive"]
LOOKING = [(kind, score) for kind, score in ALL if kind != "none"]
NORMALISED = [(kind, score) for kind, score in LOOKING if kind not in ("local_predictive", "adaptive")]
WITHOUT_GEOMETRY = [(kind, score) for kind, score in LOOKING if not kind.startswith("local")]


def make_query(num_photos: int = 3, num_captions: int = 4, score: str = "additive") -> Query:
    size = REGION if score == "dot" else QUERY
    hidden = torch.randn(
        num_photos, num_captions, size, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    generator = torch.Generator().manual_seed(6)
    cell, previous, read = (
        torch.randn(num_photos, num_captions, width, dtype=torch.float64, generator=generator)
        for width in (size, size, 4 + REGION)
    )
    return Query(hidden, torch.zeros(num_photos, num_captions, dtype=torch.long), previous, cell, read)


def test_the_tables_are_not_empty():
    assert LOOKING


@pytest.mark.parametrize(("kind", "score"), NORMALISED)
def test_weights_are_a_distribution_over_real_regions(kind, score):
    regions = make_regions()
    attention = make_attention(kind, score)
    weights = attention(make_query(score=score), attention.remember(regions)).weights
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    assert (weights.masked_select(~regions.mask[:, None].expand_as(weights)) == 0).all()


@pytest.mark.parametrize(("kind", "score"), ALL)
def test_what_padding_holds_does_not_matter(kind, score):
    regions = make_regions()
    attention = make_attention(kind, score)
    other = replace(regions, features=regions.features.masked_fill(~regions.mask[..., None], 1e6))
    one, two = (attention(make_query(score=score), attention.remember(given)).context for given in (regions, other))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "score"), WITHOUT_GEOMETRY)
def test_permuting_regions_permutes_weights(kind, score):
    regions = make_regions(num_photos=1)
    attention = make_attention(kind, score)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    shuffled = replace(regions, features=regions.features[:, order], mask=regions.mask[:, order])
    query = make_query(num_photos=1, score=score)
    one, two = (attention(query, attention.remember(given)) for given in (regions, shuffled))
    torch.testing.assert_close(one.weights[..., order], two.weights)
    torch.testing.assert_close(one.context, two.context)


@pytest.mark.parametrize(("kind", "score"), ALL)
def test_selecting_photos_of_a_memory_is_remembering_those_photos(kind, score):
    regions, attention, chosen = make_regions(), make_attention(kind, score), torch.tensor([2, 0])
    query = make_query(num_photos=2, score=score)
    one = attention(query, attention.remember(regions).select(chosen))
    two = attention(query, attention.remember(regions.select(chosen)))
    torch.testing.assert_close(one.context, two.context)


@pytest.mark.parametrize(("kind", "score"), LOOKING)
def test_gradients_reach_the_query_and_every_parameter(kind, score):
    attention, query = make_attention(kind, score), make_query(score=score)
    reached = [query.hidden.requires_grad_(), *attention.parameters()]
    attention(query, attention.remember(make_regions())).context.square().sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in reached)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_agrees_with_its_equation(score):
    """Loops over single pairs, written from the papers."""
    part, regions, query = make_attention("soft", score).score, make_regions(), make_query(score=score)
    found = part(query.hidden, part.remember(regions.features))
    for photo, caption, region in product(range(3), range(4), range(6)):
        wanted = EQUATIONS[score](part, query.hidden[photo, caption], regions.features[photo, region])
        torch.testing.assert_close(found[photo, caption, region], wanted)


def test_concat_is_the_additive_score_without_its_bias():
    additive, concat = (make_score(name).double() for name in ("additive", "concat"))
    with torch.no_grad():
        additive.from_query.bias.zero_()
        additive.from_query.weight.copy_(concat.from_both.weight[:, :QUERY])
        additive.from_region.weight.copy_(concat.from_both.weight[:, QUERY:])
        additive.energy.weight.copy_(concat.energy.weight)
    features, hidden = make_regions().features, make_query().hidden
    one, two = (part(hidden, part.remember(features)) for part in (additive, concat))
    torch.testing.assert_close(one, two)


def test_the_dot_score_says_what_to_do_where_sizes_differ():
    with pytest.raises(ValueError, match=r"query_size == region_size, got 5 and 7; .* score: general"):
        SCORES["dot"](QUERY, REGION)


class Both(nn.Module):
    """Remembering and looking as one module, so that both take the same parameters."""

    def __init__(self, attention, score):
        super().__init__()
        self.attention = attention
        self.score = score

    def forward(self, hidden, features):
        memory = self.attention.remember(replace(make_regions(), features=features))
        looked = self.attention(replace(make_query(score=self.score), hidden=hidden), memory)
        return looked.context, looked.weights


@pytest.mark.parametrize(("kind", "score"), LOOKING)
def test_the_gradient_is_that_of_the_values(kind, score):
    both = Both(make_attention(kind, score), score)
    names = [name for name, _ in both.named_parameters()]

    def looked(hidden, features, *parameters):
        return torch.func.functional_call(both, dict(zip(names, parameters, strict=True)), (hidden, features))

    inputs = [make_query(score=score).hidden, make_regions().features, *both.parameters()]
    assert torch.autograd.gradcheck(looked, [tensor.detach().requires_grad_() for tensor in inputs])


def test_soft_additive_attention_agrees_with_its_equations():
    attention, regions, query = make_attention("soft"), make_regions(), make_query()
    looked = attention(query, attention.remember(regions))
    for photo in range(3):
        for caption in range(4):
            context, weights = additive_soft_attention(
                query.hidden[photo, caption], regions.features[photo], regions.mask[photo], attention
            )
            torch.testing.assert_close(looked.context[photo, caption], context)
            torch.testing.assert_close(looked.weights[photo, caption], weights)


@pytest.mark.parametrize(("kind", "score"), LOOKING)
def test_the_context_does_not_depend_on_whether_anybody_wants_the_weights(kind, score):
    attention, query = make_attention(kind, score), make_query(score=score)
    memory = attention.remember(make_regions())
    one, two = (attention(query, memory, need_weights=wanted).context for wanted in (True, False))
    torch.testing.assert_close(one, two)


def test_multi_head_attention_agrees_with_its_equations():
    attention, regions, query = make_attention("multi_head"), make_regions(), make_query()
    looked = attention(query, attention.remember(regions))
    for photo, caption in product(range(3), range(4)):
        context, weights = multi_head_attention(
            query.hidden[photo, caption], regions.features[photo], regions.mask[photo], attention
        )
        torch.testing.assert_close(looked.context[photo, caption], context)
        torch.testing.assert_close(looked.head_weights[photo, caption], weights)
        torch.testing.assert_close(looked.weights[photo, caption], weights.mean(0))


def test_heads_that_do_not_share_the_size_evenly_are_refused():
    with pytest.raises(ValueError, match="multiple of heads, got 10 and 4"):
        KINDS["multi_head"](5, 7, heads=4, size=10)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("position", [0, 3, 50])
def test_local_monotonic_attention_agrees_with_its_equations(score, position):
    attention, regions, query = make_attention("local_monotonic", score), make_regions(), make_query(score=score)
    query = replace(query, position=torch.full_like(query.position, position))
    weights = attention(query, attention.remember(regions)).weights
    for photo, caption in product(range(3), range(4)):
        wanted = local_monotonic(
            query.hidden[photo, caption], position, regions.features[photo], regions.mask[photo], attention, score
        )
        torch.testing.assert_close(weights[photo, caption], wanted)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("rows", "columns"), [(1, 9), (2, 3), (4, 4)])
def test_local_predictive_attention_agrees_with_its_equations(score, rows, columns):
    attention, query = make_attention("local_predictive", score), make_query(score=score)
    regions = make_regions(rows=rows, columns=columns)
    looked = attention(query, attention.remember(regions))
    for photo, caption in product(range(3), range(4)):
        wanted = local_predictive(
            query.hidden[photo, caption], regions.features[photo], regions.mask[photo], rows, columns, attention, score
        )
        torch.testing.assert_close(looked.weights[photo, caption], wanted)
    assert (looked.weights.sum(-1) < 1).all()
    torch.testing.assert_close(looked.context, looked.weights @ regions.features)


def test_where_no_region_is_near_nothing_is_seen():
    attention, regions = make_attention("local_monotonic"), make_regions(rows=1, columns=9)
    mask = regions.mask.clone()
    mask[0, :4] = False
    looked = attention(make_query(), attention.remember(replace(regions, mask=mask)))
    assert (looked.weights[0] == 0).all()
    assert (looked.context[0] == 0).all()


def test_boxes_are_placed_by_their_middles():
    regions, attention, query = make_regions(rows=3, columns=3), make_attention("local_predictive"), make_query()
    boxes = Boxes(Grid(3, 3).corners().expand(3, -1, -1))
    one, two = (
        attention(query, attention.remember(replace(regions, layout=layout))).weights for layout in (Grid(3, 3), boxes)
    )
    torch.testing.assert_close(one, two)


def test_adaptive_attention_agrees_with_its_equations():
    attention, regions, query = make_attention("adaptive"), make_regions(), make_query()
    looked = attention(query, attention.remember(regions))
    for photo, caption in product(range(3), range(4)):
        given = {
            "hidden": query.hidden,
            "previous": query.previous_hidden,
            "cell": query.cell,
            "read": query.cell_input,
        }
        context, weights, share = adaptive_attention(
            {name: tensor[photo, caption] for name, tensor in given.items()},
            regions.features[photo],
            regions.mask[photo],
            attention,
        )
        torch.testing.assert_close(looked.context[photo, caption], context)
        torch.testing.assert_close(looked.weights[photo, caption], weights)
        torch.testing.assert_close(looked.sentinel[photo, caption], share)
    torch.testing.assert_close(looked.weights.sum(-1), 1 - looked.sentinel)


def test_adaptive_attention_without_a_memory_cell_says_what_to_use():
    attention, query = make_attention("adaptive"), make_query()
    with pytest.raises(ValueError, match=r"needs a memory cell .* looks: after"):
        attention(Query(query.hidden, query.position), attention.remember(make_regions()))
