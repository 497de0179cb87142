"""A product whose rows begin on cache lines is nn.Linear's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.layers.aligned_linear import AlignedLinear


@pytest.mark.parametrize("outputs", [1, 15, 16, 17, 40])
def test_values_and_gradients_are_those_of_a_linear_layer(outputs):
    torch.manual_seed(0)
    layer, plain = AlignedLinear(3, outputs).double(), nn.Linear(3, outputs).double()
    plain.load_state_dict(layer.state_dict())
    results = []
    for linear in (layer, plain):
        inputs = torch.linspace(0, 1, 2 * 4 * 3, dtype=torch.float64).view(2, 4, 3).requires_grad_()
        logits = linear(inputs)
        logits.sin().square().sum().backward()
        results.append([logits, inputs.grad, *(parameter.grad for parameter in linear.parameters())])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second)


def test_rows_begin_on_cache_lines():
    assert AlignedLinear(3, 9)(torch.ones(2, 4, 3)).stride() == (64, 16, 1)


def test_autocast_has_the_last_word_on_precision():
    with torch.autocast("cpu", torch.bfloat16):
        assert AlignedLinear(3, 9)(torch.ones(2, 3)).dtype == torch.bfloat16
