"""Every kind with every score, and every way to weigh, against loops written from the papers: weights, contexts and gradients, over random sizes and masks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from captioner.attention import KINDS, SCORES, Attention, AttentionOnAttention, Query
from captioner.regions import Grid, Regions
from tests.helpers import QUERY, REGION, make_attention, takes_score, takes_weigh
from tests.reference.adaptive import adaptive_attention
from tests.reference.local import local_monotonic, local_predictive
from tests.reference.multi_head import multi_head_attention
from tests.reference.scores import EQUATIONS
from tests.reference.weigh import WEIGH

ALL = [(kind, score) for kind in KINDS for score in SCORES if takes_score(kind) or score == "additive"]
CASES = [
    *((kind, score, "softmax") for kind, score in ALL),
    *((kind, "additive", weigh) for kind in KINDS if takes_weigh(kind) for weigh in WEIGH if weigh != "softmax"),
]


def attend(
    kind: str, score: str, weigh: str, attention: Attention, query: Query, regions: Regions, photo: int, caption: int
):
    """Context and weights of one caption on one photo."""
    way = WEIGH[weigh]
    hidden, features, mask = query.hidden[photo, caption], regions.features[photo], regions.mask[photo]
    if kind == "none":
        return features[mask].mean(0), None
    if kind == "multi_head":
        context, weights = multi_head_attention(hidden, features, mask, attention, way)
        return context, weights.mean(0)
    if kind == "adaptive":
        given = {
            name: getattr(query, whole)[photo, caption]
            for name, whole in [("previous", "previous_hidden"), ("cell", "cell"), ("read", "cell_input")]
        }
        return adaptive_attention({"hidden": hidden, **given}, features, mask, attention, way)[:2]
    if kind == "local_monotonic":
        weights = local_monotonic(hidden, int(query.position[photo, caption]), features, mask, attention, score, way)
    elif kind == "local_predictive":
        rows, columns = regions.layout.rows, regions.layout.columns
        weights = local_predictive(hidden, features, mask, rows, columns, attention, score, way)
    else:
        weights = over_real_regions(way, score, attention, hidden, features, mask)
    if kind == "hard":  # the context is the likeliest region
        return features[int(weights.argmax())], weights
    return sum(weight * feature for weight, feature in zip(weights, features, strict=True)), weights


def over_real_regions(way, score: str, attention: Attention, hidden: Tensor, features: Tensor, mask: Tensor) -> Tensor:
    real = mask.nonzero().flatten().tolist()
    weights = way([EQUATIONS[score](attention.score, hidden, features[region]) for region in real])
    of_real = dict(zip(real, weights, strict=True))
    return torch.stack([of_real.get(region, hidden.new_zeros(())) for region in range(len(features))])


def random_case(seed: int, rows: int, columns: int, num_photos: int, num_captions: int, wide_query: bool):
    generator = torch.Generator().manual_seed(seed)

    def draw(*size):
        return torch.randn(*size, dtype=torch.float64, generator=generator)

    mask = torch.rand(num_photos, rows * columns, generator=generator) < 0.7
    mask[:, torch.randint(rows * columns, (1,), generator=generator)] = True
    regions = Regions(draw(num_photos, rows * columns, REGION), mask, Grid(rows, columns))
    size = REGION if wide_query else QUERY
    hidden, cell, previous = draw(3, num_photos, num_captions, size)
    position = torch.randint(rows * columns + 3, (num_photos, num_captions), generator=generator)
    return Query(hidden, position, previous, cell, draw(num_photos, num_captions, 4 + REGION)), regions


@pytest.mark.parametrize(("kind", "score", "weigh"), CASES)
@settings(max_examples=15)
@given(
    seed=some.integers(0, 10_000),
    rows=some.integers(1, 4),
    columns=some.integers(1, 4),
    num_photos=some.integers(1, 2),
    num_captions=some.integers(1, 2),
)
def test_every_kind_agrees_with_its_equations(kind, score, weigh, seed, rows, columns, num_photos, num_captions):
    attention = make_attention(kind, score, weigh=weigh)
    query, regions = random_case(seed, rows, columns, num_photos, num_captions, wide_query=score == "dot")
    leaves = {"hidden": query.hidden, "features": regions.features} | dict(attention.named_parameters())
    query, regions = (
        replace(query, hidden=query.hidden.requires_grad_()),
        replace(regions, features=regions.features.requires_grad_()),
    )
    attended = attention(query, attention.remember(regions))
    wanted = [
        [attend(kind, score, weigh, attention, query, regions, photo, caption) for caption in range(num_captions)]
        for photo in range(num_photos)
    ]
    contexts = torch.stack([torch.stack([context for context, _ in row]) for row in wanted])
    torch.testing.assert_close(attended.context, contexts, rtol=1e-6, atol=1e-9)
    results = [(attended.context, contexts)]
    if attended.weights is not None:
        weights = torch.stack([torch.stack([weights for _, weights in row]) for row in wanted])
        torch.testing.assert_close(attended.weights, weights, rtol=1e-6, atol=1e-9)
        results.append((attended.weights, weights))
    for ours, theirs in results:
        assert_same_gradients(ours, theirs, leaves)


@pytest.mark.parametrize("kind", KINDS)
def test_attention_on_attention_agrees_with_its_equations_around_every_kind(kind):
    torch.manual_seed(0)
    inner = make_attention(kind)
    around = AttentionOnAttention(inner, QUERY).double()
    query, regions = random_case(0, 2, 3, 2, 2, wide_query=False)
    attended, inside = (kind(query, kind.remember(regions)) for kind in (around, inner))
    information, gate = around.to_both.weight.chunk(2), around.to_both.bias.chunk(2)
    (of_information, of_gate), (information_bias, gate_bias) = information, gate
    for photo, caption in product(range(2), range(2)):
        both = torch.cat([query.hidden[photo, caption], inside.context[photo, caption]])
        wanted = (of_information @ both + information_bias) * torch.sigmoid(of_gate @ both + gate_bias)
        torch.testing.assert_close(attended.context[photo, caption], wanted)
    assert attended.weights is inside.weights is None or torch.equal(attended.weights, inside.weights)


def assert_same_gradients(ours: Tensor, theirs: Tensor, leaves: dict[str, Tensor]) -> None:
    pull = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    nothing = sum(0 * leaf.sum() for leaf in leaves.values())  # where no region counts, loops end in a constant
    first, second = (
        torch.autograd.grad((result * pull).sum() + nothing, list(leaves.values()), retain_graph=True)
        for result in (ours, theirs)
    )
    for name, mine, other in zip(leaves, first, second, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8, msg=lambda text, name=name: f"{name}: {text}")
