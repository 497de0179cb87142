from __future__ import annotations

import pytest
import torch
from torch import Tensor

from captioner.layers import additive_energy as module
from captioner.layers.additive_energy import additive_energy, energy_keys
from captioner.layers.linear import Workspace


def inputs(num_photos=2, queries=3, regions=5, size=4, scale=1.0, dtype=torch.float64) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(num_photos, queries, size), (num_photos, regions, size), (size,)]
    return [(scale * torch.randn(*shape, dtype=dtype)).requires_grad_() for shape in shapes]


def ours(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    return additive_energy(queries, energy_keys(keys), energy)


def formula(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    return torch.tanh(queries[:, :, None] + keys[:, None]) @ energy


def on_other_devices(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    return module._Energy.apply(queries, keys, energy, Workspace())


def values_and_gradients(function, tensors: list[Tensor]) -> list[Tensor]:
    scores = function(*tensors)
    weights = torch.linspace(-1, 1, scores.numel(), dtype=scores.dtype).view_as(scores)
    return [scores.detach(), *torch.autograd.grad((weights * scores).sum(), tensors)]


@pytest.mark.parametrize("function", [ours, on_other_devices])
@pytest.mark.parametrize("scale", [0.01, 1, 5])
def test_it_has_the_values_and_gradients_of_the_formula(function, scale):
    tensors = inputs(scale=scale)
    for own, expected in zip(
        values_and_gradients(function, tensors), values_and_gradients(formula, tensors), strict=True
    ):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-12)


def test_it_is_exact_to_float32():
    tensors = inputs(regions=50, size=512, scale=2, dtype=torch.float32)
    exact = values_and_gradients(formula, [tensor.detach().double().requires_grad_() for tensor in tensors])
    for own, expected in zip(values_and_gradients(ours, tensors), exact, strict=True):
        torch.testing.assert_close(own.double(), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()) + 1e-6)


def test_chunks_of_photos_do_not_change_it(monkeypatch):
    tensors = inputs(num_photos=3)
    expected = values_and_gradients(ours, tensors)
    monkeypatch.setattr(module, "_CACHE", 1)
    for own, whole in zip(values_and_gradients(ours, tensors), expected, strict=True):
        torch.testing.assert_close(own, whole)


def test_many_queries_of_one_photo_need_no_more_memory_than_the_cache(monkeypatch):
    """As in the posterior, where each of hundreds of regions is a query."""
    tensors, taken, take = inputs(num_photos=1, queries=40, regions=40), [], Workspace.take
    expected = formula(*tensors)
    monkeypatch.setattr(module, "_CACHE", 3 * 40 * 4 * 8)  # bytes of three queries
    monkeypatch.setattr(Workspace, "take", lambda self, shape, like: taken.append(shape) or take(self, shape, like))
    torch.testing.assert_close(ours(*[tensor.detach() for tensor in tensors]), expected.detach())
    assert {shape[1] for shape in taken} == {3, 1}


@pytest.mark.parametrize(("query", "key"), [(60, -3), (-60, -60), (60, 60), (-39, 38), (1e6, -2), (3, -1e30)])
def test_large_inputs_saturate(query, key):
    queries, keys = torch.tensor([[[float(query)]]]), torch.tensor([[[float(key)]]])
    tensors = [queries.requires_grad_(), keys.requires_grad_(), torch.ones(1, requires_grad=True)]
    for own, expected in zip(values_and_gradients(ours, tensors), values_and_gradients(formula, tensors), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-6)


def test_half_precision_keys_are_widened_on_a_cpu():
    for dtype in (torch.bfloat16, torch.float16):
        keys = torch.full((1, 1, 1), 8.0, dtype=dtype)  # exp(16) is beyond float16
        assert energy_keys(keys).dtype == torch.float32
        scores = additive_energy(torch.zeros(1, 1, 1, dtype=dtype), energy_keys(keys), torch.ones(1, dtype=dtype))
        assert scores.item() == pytest.approx(1, abs=1e-6)
