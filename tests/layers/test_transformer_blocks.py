"""Parts of a Transformer's layers besides attention."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from captioner.layers.transformer_blocks import Dropout


@given(some.floats(0, 0.999), some.lists(some.integers(0, 7), min_size=1, max_size=3), some.booleans())
def test_what_dropout_keeps_is_scaled_and_the_gradient_goes_the_same_way(p, shape, mixed):
    torch.manual_seed(0)
    inputs = torch.ones(shape, dtype=torch.bfloat16 if mixed else torch.float64).requires_grad_()
    results = Dropout(p)(inputs)
    results.sum().backward()
    assert results.dtype == inputs.dtype
    assert results.shape == inputs.shape
    torch.testing.assert_close(inputs.grad, results.detach())
    kept = results[results != 0].double()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-2, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_as_often_as_it_says_everywhere(p):
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(4, 100_000)) == 0
    for lane in range(4):  # four elements share a draw
        assert dropped[:, lane::4].double().mean().item() == pytest.approx(p, abs=5 * (p * (1 - p) / 100_000) ** 0.5)
    together = (dropped[:, 0::4] & dropped[:, 1::4]).double().mean().item()
    assert together == pytest.approx(p**2, abs=5 * (p**2 * (1 - p**2) / 100_000) ** 0.5)


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    assert Dropout(0.3)(torch.ones(1_000_000)).mean().item() == pytest.approx(1, abs=0.004)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_and_of_everything_is_pytorchs(p):
    inputs = torch.randn(3, 5)
    assert torch.equal(Dropout(p)(inputs), nn.Dropout(p)(inputs))


def test_after_training_dropout_does_nothing():
    inputs = torch.randn(3, 5)
    assert Dropout(0.5).eval()(inputs) is inputs


def test_a_seed_draws_the_same_mask():
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(Dropout(0.5)(torch.ones(7, 9)))
    assert torch.equal(*masks)
