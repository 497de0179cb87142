"""Sparse ways to weigh, with every kind that takes them. test_equations.py compares them with loops."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from captioner import attention, builder
from captioner.attention import KINDS, WEIGH, Replaced, uniform
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from tests.attention import test_contract as contract
from tests.helpers import DRAWN, make_attention, make_regions, takes_weigh
from tests.reference.weigh import WEIGH as REFERENCES

SPARSE = [name for name in WEIGH if name != "softmax"]
TAKERS = [kind for kind in KINDS if takes_weigh(kind)]
CASES = [(kind, weigh) for kind in TAKERS for weigh in SPARSE]


@pytest.fixture
def sparse(monkeypatch):
    """Adds a kind that weighs in a sparse way to the table, and returns its name."""

    def add(kind: str, weigh: str) -> str:
        monkeypatch.setitem(attention.KINDS, f"{kind}-{weigh}", partial(KINDS[kind], weigh=weigh))
        return f"{kind}-{weigh}"

    return add


def test_there_is_a_reference_for_every_way():
    assert SPARSE
    assert set(WEIGH) == set(REFERENCES)
    assert {"soft", "adaptive", "local_monotonic", "local_predictive", "multi_head"} <= set(TAKERS)


@pytest.mark.parametrize(("kind", "weigh"), CASES)
def test_every_kind_keeps_its_contract(kind, weigh, sparse):
    name = sparse(kind, weigh)
    contract.test_what_padding_holds_does_not_matter(name, "additive")
    contract.test_selecting_photos_of_a_memory_is_remembering_those_photos(name, "additive")
    contract.test_gradients_reach_the_query_and_every_parameter(name, "additive")
    contract.test_the_context_does_not_depend_on_need_weights(name, "additive")
    if (kind, "additive") in contract.NORMALISED:
        contract.test_weights_are_a_distribution_over_real_regions(name, "additive")
    if (kind, "additive") in contract.WITHOUT_GEOMETRY:
        contract.test_permuting_regions_permutes_weights(name, "additive")
    if kind == "multi_head":
        assert (
            make_attention(name)(contract.make_query(), make_attention(name).remember(make_regions())).weights
            is not None
        )


@pytest.mark.parametrize("weigh", WEIGH)
@settings(max_examples=30)
@given(
    seed=some.integers(0, 10_000),
    regions=some.integers(1, 60),
    spread=some.sampled_from([0.0, 1e-6, 0.01, 1.0, 30.0, 1e4]),
    dtype=some.sampled_from([torch.float32, torch.bfloat16]),
)
def test_weights_sum_to_1_and_are_exactly_0_where_there_is_no_region(weigh, seed, regions, spread, dtype):
    generator = torch.Generator().manual_seed(seed)
    scores = (spread * torch.randn(2, 3, regions, generator=generator)).to(dtype)
    mask = torch.rand(2, 1, regions, generator=generator) < 0.6
    mask[..., torch.randint(regions, (1,), generator=generator)] = True
    weights = WEIGH[weigh](scores, mask)
    assert weights.dtype == torch.float32
    assert (weights.masked_select(~mask.expand_as(weights)) == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3), rtol=0, atol=1e-4)
    for photo in range(2):
        real = mask[photo, 0]
        own = scores[photo, 0, real].double()
        wanted = REFERENCES[weigh](list(own - own.max()))  # no way depends on a shift; exponents would overflow
        torch.testing.assert_close(weights[photo, 0, real].double(), torch.stack(wanted), rtol=0, atol=1e-4)


@pytest.mark.parametrize("weigh", WEIGH)
def test_the_gradient_is_that_of_the_weights(weigh):
    scores = torch.randn(2, 3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.ones(2, 1, 9, dtype=torch.bool)
    mask[1, :, 6:] = False
    assert (WEIGH[weigh](scores, mask) > 0).sum() < scores.numel()
    assert torch.autograd.gradcheck(lambda scores: WEIGH[weigh](scores, mask), [scores])


@pytest.mark.parametrize("weigh", SPARSE)
def test_low_scores_get_weight_exactly_0(weigh):
    weights = WEIGH[weigh](torch.tensor([[3.0, 2.9, 0.5, -4.0]]), torch.ones(1, 4, dtype=torch.bool))[0]
    assert (weights > 0).tolist() == [True, True, False, False]


@pytest.mark.parametrize("weigh", SPARSE)
def test_maps_of_zeros_can_be_replaced(weigh):
    """With adaptive attention the sentinel may take everything; what is left is a map of zeros."""
    inner, query = make_attention("adaptive", weigh=weigh), contract.make_query()
    with torch.no_grad():
        inner.score.energy.weight.mul_(0)
        inner.score.energy.weight[0] += 50 * torch.sign(inner.from_sentinel.weight.sum(1))
    replaced = Replaced(inner, uniform)
    memory = replaced.remember(make_regions())
    own, other = inner(query, memory), replaced(query, memory)
    assert (own.weights.sum(-1) == 0).any()
    assert other.context.isfinite().all()
    torch.testing.assert_close(other.weights.sum(-1), own.weights.sum(-1))


@pytest.mark.parametrize("kind", ["hard", "none"])
def test_other_kinds_refuse_it_and_say_which_take_it(kind):
    with pytest.raises(UserError, match=r"unknown key in attention: 'weigh'; attention.kind=soft, .* or .* takes it"):
        builder.read(DRAWN, [f"attention.kind={kind}", "attention.weigh=sparsemax"])
    with pytest.raises(
        UserError, match=r"attention.weigh should be 'softmax', 'sparsemax' or 'entmax15', got 'sparse'"
    ):
        builder.read(DRAWN, ["attention.weigh=sparse"])


def test_a_run_with_sparse_weights_is_trained_and_loaded_and_its_maps_have_zeros(settings, pictures, tmp_path):
    runs.train(DRAWN, [*settings, "attention.weigh=sparsemax", "run.epochs=1", "objective.coverage=1"])
    captioner = builder.load(tmp_path / "run")
    caption = captioner.caption(next(pictures.glob("images/val_*.png")))
    assert caption.words
    assert captioner.model.decoder.attentions()[0].weigh is WEIGH["sparsemax"]
    torch.testing.assert_close(caption.weights.sum(-1), torch.ones(len(caption.words)))
