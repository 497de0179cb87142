"""Products by oneDNN are PyTorch's, and are taken only where they are faster."""

from __future__ import annotations

import platform
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from captioner.layers import products
from captioner.layers.linear import Linear, word_loop

here = pytest.mark.skipif(
    not products.is_faster(torch.ones(1, 512), torch.ones(512, 512)),
    reason="another processor, or a PyTorch without oneDNN",
)


def test_an_x86_processor_has_them():
    assert products._works_here() or platform.machine().lower() not in {"x86_64", "amd64"}


@here
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_values_are_those_of_functional_linear(rows, inputs, outputs, bias, transposed, packed):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, inputs, generator=generator)
    weight = torch.randn(outputs, inputs, generator=generator)
    weight = weight.T.contiguous().T if transposed else weight
    shift = torch.randn(outputs, generator=generator) if bias else None
    result = products.linear(values, products.pack(weight) if packed else weight, shift)
    torch.testing.assert_close(result, functional.linear(values, weight, shift), atol=1e-4, rtol=1e-5)


@here
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("looped", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_a_layer_has_the_values_and_gradients_of_nn_linear(bias, looped, learns):
    torch.manual_seed(0)
    layer, plain = Linear(300, 310, bias), nn.Linear(300, 310, bias)
    plain.load_state_dict(layer.state_dict())
    results = []
    for linear in (layer, plain):
        linear.requires_grad_(learns)
        inputs = torch.linspace(0, 1, 2 * 4 * 300).view(2, 4, 300).requires_grad_()
        if looped:
            with word_loop():
                output = linear(inputs).tanh() + linear(inputs[:, :4].flip(1)).tanh()
        else:
            output = linear(inputs).tanh()
        output.square().sum().backward()
        results.append([output, inputs.grad, *(parameter.grad for parameter in linear.parameters() if learns)])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


@here
@pytest.mark.parametrize("trained", ["weight", "bias", "inputs"])
def test_whatever_is_trained_has_a_gradient(trained):
    layer, inputs = Linear(300, 300).requires_grad_(False), torch.ones(2, 300)
    tensor = {"weight": layer.weight, "bias": layer.bias, "inputs": inputs}[trained].requires_grad_()
    for loop in (word_loop(), nullcontext()):
        with loop:
            layer(inputs).sum().backward()
        assert tensor.grad.any()
        tensor.grad = None


@here
def test_a_loop_packs_a_weight_once_and_the_next_loop_packs_the_new_weight(monkeypatch):
    layer, packed = Linear(300, 300), []
    pack = products.pack
    monkeypatch.setattr(products, "pack", lambda weight: packed.append(weight) or pack(weight))
    with torch.no_grad():
        with word_loop():
            for count in (1, 5, 64, 65, 97):
                rows = torch.randn(count, 300)
                torch.testing.assert_close(
                    layer(rows), functional.linear(rows, layer.weight, layer.bias), atol=1e-4, rtol=1e-4
                )
        layer.weight.zero_()
        layer.bias.zero_()
        with word_loop():
            assert not layer(torch.ones(3, 300)).any()
    assert len(packed) == 2


@pytest.mark.parametrize(
    ("rows", "weight"),
    [
        (torch.ones(3, 512, dtype=torch.float64), torch.ones(512, 512, dtype=torch.float64)),
        (torch.ones(3, 512), torch.ones(512, 512, dtype=torch.bfloat16)),
        (torch.ones(0, 512), torch.ones(512, 512)),
        (torch.ones(3, 8), torch.ones(8, 8)),
        (torch.ones(3, 512, device="meta"), torch.ones(512, 512, device="meta")),
    ],
)
def test_others_are_left_to_pytorch(rows, weight):
    assert not products.is_faster(rows, weight)


@here
def test_few_kernels_serve_all_numbers_of_rows(monkeypatch):
    """oneDNN keeps a kernel for each."""
    seen, multiply = set(), products._multiply

    def counting(rows, *others):
        seen.add(len(rows))
        return multiply(rows, *others)

    monkeypatch.setattr(products, "_multiply", counting)
    weight = torch.randn(300, 300)
    for count in range(1, 300):
        assert products.linear(torch.ones(count, 300), weight).shape == (count, 300)
    assert len(seen) == 16


def test_rows_of_another_width_get_pytorch_s_error():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Linear(512, 512)(torch.ones(3, 500))


def test_switching_onednn_off_switches_them_off(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not products.is_faster(torch.ones(3, 512), torch.ones(512, 512))


def test_a_pytorch_without_the_operations_does_without(monkeypatch):
    def missing(*_):
        raise AttributeError("no such operation")

    monkeypatch.setattr(products, "pack", missing)
    assert not products._works_here.__wrapped__()


@pytest.mark.parametrize("shape", [(512,), (0, 512), (2, 0, 512), (2, 3, 512)])
def test_layers_take_rows_of_any_shape(shape):
    layer = Linear(512, 600)
    for inputs in (torch.ones(shape), torch.ones(shape, requires_grad=True)):
        assert layer(inputs).shape == (*shape[:-1], 600)
    with torch.no_grad(), word_loop():
        assert layer(torch.ones(shape)).shape == (*shape[:-1], 600)


def test_autocast_has_the_last_word_on_precision():
    with torch.autocast("cpu", torch.bfloat16):
        assert Linear(300, 300)(torch.ones(2, 300)).dtype == torch.bfloat16
