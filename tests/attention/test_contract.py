"""What holds for every kind of attention."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from captioner.attention import KINDS, SCORES, Attended, Attention, Query, checked
from captioner.errors import UserError
from captioner.regions import Boxes, Grid
from tests.helpers import QUERY, REGION, make_attention, make_regions, make_score, takes_score
from tests.reference.scores import EQUATIONS

ALL = [(kind, score) for kind in KINDS for score in SCORES if takes_score(kind) or score == "additive"]
ATTENDING = [(kind, score) for kind, score in ALL if kind != "none"]
NORMALISED = [(kind, score) for kind, score in ATTENDING if kind not in ("local_predictive", "adaptive")]
WITHOUT_GEOMETRY = [(kind, score) for kind, score in ATTENDING if not kind.startswith("local")]


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
    assert ATTENDING


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
    first, second = (
        attention(make_query(score=score), attention.remember(given)).context for given in (regions, other)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "score"), WITHOUT_GEOMETRY)
def test_permuting_regions_permutes_weights(kind, score):
    regions = make_regions(num_photos=1)
    attention = make_attention(kind, score)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    shuffled = replace(regions, features=regions.features[:, order], mask=regions.mask[:, order])
    query = make_query(num_photos=1, score=score)
    first, second = (attention(query, attention.remember(given)) for given in (regions, shuffled))
    torch.testing.assert_close(first.weights[..., order], second.weights)
    torch.testing.assert_close(first.context, second.context)


@pytest.mark.parametrize(("kind", "score"), ALL)
def test_selecting_photos_of_a_memory_is_remembering_those_photos(kind, score):
    regions, attention, chosen = make_regions(), make_attention(kind, score), torch.tensor([2, 0])
    query = make_query(num_photos=2, score=score)
    first = attention(query, attention.remember(regions).select(chosen))
    second = attention(query, attention.remember(regions.select(chosen)))
    torch.testing.assert_close(first.context, second.context)


@pytest.mark.parametrize(("kind", "score"), ATTENDING)
def test_gradients_reach_the_query_and_every_parameter(kind, score):
    """For hard attention, through the log-probability of the region drawn, which the training objective uses."""
    attention, query = make_attention(kind, score).train(), make_query(score=score)
    reached = [query.hidden.requires_grad_(), *attention.parameters()]
    attended = attention(query, attention.remember(make_regions()))
    (attended.context if attended.choice_log_prob is None else attended.choice_log_prob).square().sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in reached)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_agrees_with_its_equation(score):
    """Loops over single pairs, written from the papers."""
    part, regions, query = make_attention("soft", score).score, make_regions(), make_query(score=score)
    scores = part(query.hidden, part.remember(regions.features))
    for photo, caption, region in product(range(3), range(4), range(6)):
        expected = EQUATIONS[score](part, query.hidden[photo, caption], regions.features[photo, region])
        torch.testing.assert_close(scores[photo, caption, region], expected)


def test_concat_is_the_additive_score_without_its_bias():
    additive, concat = (make_score(name).double() for name in ("additive", "concat"))
    with torch.no_grad():
        additive.from_query.bias.zero_()
        additive.from_query.weight.copy_(concat.from_both.weight[:, :QUERY])
        additive.from_region.weight.copy_(concat.from_both.weight[:, QUERY:])
        additive.energy.weight.copy_(concat.energy.weight)
    features, hidden = make_regions().features, make_query().hidden
    first, second = (part(hidden, part.remember(features)) for part in (additive, concat))
    torch.testing.assert_close(first, second)


def test_where_sizes_differ_the_dot_score_projects_regions_and_is_the_general_score():
    assert not list(SCORES["dot"](REGION, REGION).parameters())
    dot, general = (SCORES[name](QUERY, REGION).double() for name in ("dot", "general"))
    general.load_state_dict(dot.state_dict())
    features, hidden = make_regions().features, make_query().hidden
    first, second = (part(hidden, part.remember(features)) for part in (dot, general))
    torch.testing.assert_close(first, second)


class Both(nn.Module):
    """`remember` and `forward` as one module, so that both take the same parameters."""

    def __init__(self, attention, score):
        super().__init__()
        self.attention = attention
        self.score = score

    def forward(self, hidden, features):
        memory = self.attention.remember(replace(make_regions(), features=features))
        attended = self.attention(replace(make_query(score=self.score), hidden=hidden), memory)
        return attended.context, attended.weights


@pytest.mark.parametrize(("kind", "score"), ATTENDING)
def test_the_gradient_is_that_of_the_values(kind, score):
    both = Both(make_attention(kind, score), score)
    names = [name for name, _ in both.named_parameters()]

    def attended(hidden, features, *parameters):
        return torch.func.functional_call(both, dict(zip(names, parameters, strict=True)), (hidden, features))

    inputs = [make_query(score=score).hidden, make_regions().features, *both.parameters()]
    assert torch.autograd.gradcheck(attended, [tensor.detach().requires_grad_() for tensor in inputs], fast_mode=True)


@pytest.mark.parametrize(("kind", "score"), ATTENDING)
def test_the_context_does_not_depend_on_need_weights(kind, score):
    attention, query = make_attention(kind, score), make_query(score=score)
    memory = attention.remember(make_regions())
    first, second = (attention(query, memory, need_weights=need_weights).context for need_weights in (True, False))
    torch.testing.assert_close(first, second)


def test_heads_that_do_not_share_the_size_evenly_are_refused():
    with pytest.raises(ValueError, match="multiple of heads, got 10 and 4"):
        KINDS["multi_head"](5, 7, heads=4, size=10)


@pytest.mark.parametrize("score", SCORES)
def test_weights_around_predicted_positions_sum_to_less_than_1(score):
    """As published: the Gaussian comes after the softmax."""
    attention, regions = make_attention("local_predictive", score), make_regions(rows=4, columns=4)
    assert (attention(make_query(score=score), attention.remember(regions)).weights.sum(-1) < 1).all()


def test_without_a_region_in_the_window_the_context_is_zero():
    attention, regions = make_attention("local_monotonic"), make_regions(rows=1, columns=9)
    mask = regions.mask.clone()
    mask[0, :4] = False
    attended = attention(make_query(), attention.remember(replace(regions, mask=mask)))
    assert (attended.weights[0] == 0).all()
    assert (attended.context[0] == 0).all()


def test_boxes_are_positioned_by_their_centres():
    regions, attention, query = make_regions(rows=3, columns=3), make_attention("local_predictive"), make_query()
    boxes = Boxes(Grid(3, 3).corners().expand(3, -1, -1))
    first, second = (
        attention(query, attention.remember(replace(regions, layout=layout))).weights for layout in (Grid(3, 3), boxes)
    )
    torch.testing.assert_close(first, second)


def test_what_the_sentinel_takes_the_regions_lack():
    attention, regions = make_attention("adaptive"), make_regions()
    attended = attention(make_query(), attention.remember(regions))
    torch.testing.assert_close(attended.weights.sum(-1), 1 - attended.sentinel)


def test_heads_are_kept_and_averaged():
    attention = make_attention("multi_head")
    attended = attention(make_query(), attention.remember(make_regions()))
    assert attended.head_weights.shape == (3, 4, 3, 6)
    torch.testing.assert_close(attended.weights, attended.head_weights.mean(2))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_fused_kernel_gives_the_context_that_weights_give(precision, monkeypatch):
    """On a CPU it works in fp32 under autocast too: its bfloat16 backward is slow."""
    fused, used = functional.scaled_dot_product_attention, []

    def kernel(*tensors, **options):
        context = fused(*tensors, **options)
        used.append(context.dtype)  # what autocast made of it
        return context

    monkeypatch.setattr(functional, "scaled_dot_product_attention", kernel)
    attention = make_attention("multi_head").float()
    regions = replace(make_regions(), features=make_regions().features.float())
    query = Query(make_query().hidden.float(), make_query().position)
    results = []
    for need_weights in (True, False):
        attention.zero_grad()
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            context = attention(query, attention.remember(regions), need_weights).context
        context.float().square().sum().backward()
        results.append([context, *(parameter.grad for parameter in attention.parameters())])
    for with_weights, without in zip(*results, strict=True):
        assert with_weights.dtype == without.dtype
        tolerance = {"rtol": 5e-2, "atol": 5e-2} if precision == torch.bfloat16 else {}
        torch.testing.assert_close(with_weights, without, **tolerance)
    assert used == [torch.float32]


def test_under_autocast_the_sentinels_score_is_as_precise_as_the_regions(monkeypatch):
    attention, regions, query = make_attention("adaptive").float(), make_regions(), make_query()
    regions = replace(regions, features=regions.features.float())
    query = Query(*(None if value is None else value.float() for value in vars(query).values()))
    weigh, scores = attention.weigh, []
    monkeypatch.setattr(attention, "weigh", lambda found, mask: scores.append(found) or weigh(found, mask))
    with torch.autocast("cpu", torch.bfloat16):
        attention(query, attention.remember(regions))
    of_sentinel = scores[0][..., -1]
    assert of_sentinel.dtype == torch.float32
    assert (of_sentinel != of_sentinel.bfloat16().float()).any()


def test_in_training_a_draw_is_one_region_with_its_log_probability():
    attention, regions = make_attention("hard").train(), make_regions()
    attention.expected = 0.0
    torch.manual_seed(0)
    attended = attention(make_query(), attention.remember(regions))
    for photo, caption in product(range(3), range(4)):
        (drawn,) = (regions.features[photo] == attended.context[photo, caption]).all(-1).nonzero().flatten().tolist()
        assert regions.mask[photo, drawn]
        expected = attended.weights[photo, caption, drawn].log()
        torch.testing.assert_close(attended.choice_log_prob[photo, caption], expected)
    entropy = torch.distributions.Categorical(attended.weights).entropy()
    torch.testing.assert_close(attended.choice_entropy, entropy)


def test_an_expected_region_is_soft_attention():
    attention, soft, regions = make_attention("hard").train(), make_attention("soft"), make_regions()
    attention.expected = 1.0
    attended, expected = (kind(make_query(), kind.remember(regions)) for kind in (attention, soft))
    torch.testing.assert_close(attended.context, expected.context)
    assert (attended.choice_log_prob == 0).all()


def test_after_training_regions_are_drawn_only_where_asked():
    attention, regions = make_attention("hard"), make_regions()
    contexts = [attention(make_query(), attention.remember(regions)).context for _ in range(2)]
    assert torch.equal(*contexts)
    attention.decoding = "draw"
    torch.manual_seed(0)
    drawn = [attention(make_query(), attention.remember(regions)).context for _ in range(8)]
    assert any(not torch.equal(drawn[0], other) for other in drawn)


def test_adaptive_attention_without_a_memory_cell_says_what_to_use():
    attention, query = make_attention("adaptive"), make_query()
    with pytest.raises(ValueError, match=r"needs a memory cell.* attend: after"):
        attention(Query(query.hidden, query.position), attention.remember(make_regions()))


class Own(Attention):
    """An attention of a user's."""

    def __init__(self, context_size: object, attended: object):
        super().__init__()
        self.context_size, self.attended = context_size, attended

    def forward(self, query, memory, need_weights=True):
        return self.attended


@pytest.mark.parametrize(
    ("size", "attended", "message"),
    [
        (None, None, "Own should have context_size"),
        (2, (torch.zeros(3, 4, 2), None), "Own.forward should return Attended, got tuple"),
        (2, Attended(torch.zeros(3, 4, 5)), r"Own should return contexts \(3, 4, 2\), got \(3, 4, 5\)"),
        (2, Attended(torch.zeros(3, 4, 2), torch.full((3, 4, 2), 0.5)), r"Own should return weights \(3, 4, 6\)"),
        (2, Attended(torch.zeros(3, 4, 2), torch.full((3, 4, 6), 1.0)), "with sums up to 6"),
        (2, Attended(torch.zeros(3, 4, 2), torch.tensor([2.0, -1, 0, 0, 0, 0]).expand(3, 4, 6)), "from -1 on"),
        (2, Attended(torch.zeros(3, 4, 2), torch.full((3, 4, 6), torch.nan)), "from nan on"),
    ],
)
def test_an_attention_of_ones_own_that_breaks_the_contract_is_an_error_at_its_first_call(size, attended, message):
    memory = make_attention("soft", "additive").remember(make_regions())
    with pytest.raises(UserError, match=message):
        checked(Own(size, attended))(make_query(), memory)


def test_an_attention_of_ones_own_is_checked_once():
    memory = make_attention("soft", "additive").remember(make_regions())
    right = Attended(torch.zeros(3, 4, 2), torch.full((3, 4, memory.mask.shape[1]), 1 / memory.mask.shape[1]))
    attention = checked(Own(2, right))
    assert attention(make_query(), memory) is right
    copied = copy.deepcopy(attention)
    attention.attended = copied.attended = None
    assert attention(make_query(), memory=memory) is None
    assert copied(make_query(), memory) is None
    unchecked = copy.deepcopy(checked(Own(2, None)))
    with pytest.raises(UserError, match="should return Attended"):
        unchecked(make_query(), memory=memory)
