"""Layers in a loop over words have the values and gradients of nn.Linear."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.layers.linear import Linear, Workspace, word_loop


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("calls", [1, 4])
def test_values_and_gradients_are_those_of_a_linear_layer(bias, calls):
    torch.manual_seed(0)
    layer, plain = Linear(3, 5, bias).double(), nn.Linear(3, 5, bias).double()
    plain.load_state_dict(layer.state_dict())
    results = []
    for linear in (layer, plain):
        inputs = torch.linspace(0, 1, 2 * 4 * 3, dtype=torch.float64).view(2, 4, 3).requires_grad_()
        with word_loop():
            hidden = inputs
            for call in range(calls):
                hidden = inputs[:, : 4 - call] + linear(hidden[:, : 4 - call]).tanh()[..., :3]
        hidden.square().sum().backward()
        results.append([inputs.grad, *(parameter.grad for parameter in linear.parameters())])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second)


def test_a_second_loop_adds_its_gradient_to_the_first():
    layer = Linear(2, 2)
    for _ in range(2):
        with word_loop():
            layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 2], [2, 2]]


def test_backward_twice_through_one_loop_gives_the_same_gradient():
    layer = Linear(2, 3)
    with word_loop():
        output = layer(layer(torch.ones(1, 2))[:, :2]).square().sum()
    once = torch.autograd.grad(output, list(layer.parameters()), retain_graph=True)
    twice = torch.autograd.grad(output, list(layer.parameters()))
    for first, second in zip(once, twice, strict=True):
        torch.testing.assert_close(first, second)


def test_a_layer_that_is_called_but_not_used_gets_no_gradient():
    used, unused = Linear(2, 2), Linear(2, 2)
    with word_loop():
        unused(torch.ones(1, 2))
        used(torch.ones(1, 2)).sum().backward()
    assert unused.weight.grad is None


def test_a_workspace_grows_and_is_used_again():
    workspace = Workspace()
    small = workspace.take((2, 3), torch.zeros(1))
    again = workspace.take((3,), torch.zeros(1))
    assert again.data_ptr() == small.data_ptr()
    assert workspace.take((4, 4), torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


def test_a_backward_pass_that_does_not_reach_the_weight_leaves_nothing_for_the_next():
    layer = Linear(2, 2)
    inputs = torch.ones(1, 2, requires_grad=True)
    with word_loop():
        outputs = [layer(inputs * number) for number in (1, 2)]
    torch.autograd.grad(outputs[1].sum(), inputs, retain_graph=True)  # as a saliency map takes it
    outputs[0].sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [1, 1]]
