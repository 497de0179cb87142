"""The energy of additive attention without a tensor (B, Q, R, A) kept for the backward pass.

Shapes: B photos, Q queries, R regions, A comparison size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from captioner.layers.loop_linear import Workspace, workspace

_CACHE = 2**22  # bytes, about the size of a processor core's own cache


def additive_energy(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Scores (B, Q, R): `tanh(queries[:, :, None] + keys[:, None]) @ energy`, with the same values and gradients.

    Args:
        queries: (B, Q, A).
        keys: (B, R, A), from `for_tanh`.
        energy: (A,).
    """
    with torch.autocast(keys.device.type, enabled=False):
        return _AdditiveEnergy.apply(queries.to(keys.dtype), keys, energy, workspace())


def for_tanh(keys: Tensor) -> Tensor:
    """Keys in the precision in which tanh is fast: a CPU's is slower in bfloat16."""
    return keys.float() if keys.dtype == torch.bfloat16 and keys.device.type == "cpu" else keys


class _AdditiveEnergy(torch.autograd.Function):
    """`tanh(queries[:, :, None] + keys[:, None]) @ energy`, which keeps no (B, Q, R, A) from one word to the next.

    The backward makes u = tanh(...) again, which is cheaper than reading it back from memory. With g the scores' gradient, s = 1 - u^2
    the slope of tanh and v the energy, the gradients are: energy, the sum of g u; queries, v times the sum over R of g s; keys, v
    times the sum over Q of g s.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, keys: Tensor, energy: Tensor, workspace: Workspace) -> Tensor:
        ctx.save_for_backward(queries, keys, energy)
        ctx.workspace = workspace
        weight, scores = energy.to(keys.dtype), keys.new_empty(*queries.shape[:2], keys.shape[1])  # (B, Q, R)
        for some_queries, some_keys, some_scores in _in_stretches(queries, keys, scores):
            _dot(_mixed(some_queries, some_keys, workspace), weight, some_scores)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        queries, keys, energy = ctx.saved_tensors
        to_queries, to_keys, to_energy = torch.empty_like(queries), torch.empty_like(keys), torch.zeros_like(energy)
        stretches = _in_stretches(queries, keys, gradient, to_queries, to_keys)
        for some_queries, some_keys, scores, some_to_queries, some_to_keys in stretches:
            mixed = _mixed(some_queries, some_keys, ctx.workspace)
            to_energy += torch.bmm(scores.flatten(0, 1)[:, None], mixed.flatten(0, 1)).sum((0, 1))
            slope = torch.addcmul(mixed.new_ones(()), mixed, mixed, value=-1, out=mixed)
            torch.matmul(scores[:, :, None], slope, out=some_to_queries[:, :, None])
            torch.sum(slope.mul_(scores[..., None]), 1, out=some_to_keys)
        weight = energy.to(keys.dtype)
        return to_queries.mul_(weight), to_keys.mul_(weight), to_energy, None


def _in_stretches(queries: Tensor, keys: Tensor, *more: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """On a CPU, as many photos at once as leave the work in its cache; elsewhere all of them."""
    size = queries.shape[1] * keys.shape[1] * keys.shape[2] * keys.element_size()
    stretch = max(1, _CACHE // size) if keys.device.type == "cpu" else len(keys)
    return zip(*(tensor.split(stretch) for tensor in (queries, keys, *more)), strict=True)


def _mixed(queries: Tensor, keys: Tensor, workspace: Workspace) -> Tensor:
    """The tanh of every query with every key. A CPU takes it as 2 sigmoid(2x) - 1, exact to 2e-7: its tanh is 5 times as slow."""
    memory = workspace.take((*queries.shape[:2], *keys.shape[1:]), keys)  # (B, Q, R, A)
    queries, keys = queries[:, :, None], keys[:, None]
    if keys.device.type != "cpu":
        return torch.add(queries, keys, out=memory).tanh_()
    torch.add(2 * queries, keys, alpha=2, out=memory).sigmoid_()
    return torch.add(memory.new_tensor(-1), memory, alpha=2, out=memory)


def _dot(mixed: Tensor, weight: Tensor, scores: Tensor) -> None:
    """Write mixed (B, Q, R, A) times weight (A,) to scores (B, Q, R).

    On a CPU, overwriting `mixed`: a library's product of matrix and vector may share the rows among cores otherwise than the operations
    before and after it, and each core then waits for what lies in the other's cache.
    """
    if mixed.device.type == "cpu":
        torch.sum(mixed.mul_(weight), -1, out=scores)
    else:
        torch.matmul(mixed, weight, out=scores)
