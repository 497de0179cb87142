"""The energy of additive attention, without keeping a tensor (B, Q, R, A) for the backward pass.

Shapes: B photos, Q queries, R regions, A comparison size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from captioner.layers.loop_linear import Workspace, workspace

_CACHE = 2**22  # bytes, about the size of a CPU core's cache


def additive_energy(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Compute scores (B, Q, R), with the values and gradients of `tanh(queries[:, :, None] + keys[:, None]) @ energy`.

    Args:
        queries: (B, Q, A).
        keys: (B, R, A), from `for_tanh`.
        energy: (A,).
    """
    if torch.compiler.is_compiling():  # an export holds the plain formula
        return torch.tanh(queries[:, :, None] + keys[:, None]) @ energy
    with torch.autocast(keys.device.type, enabled=False):
        return _AdditiveEnergy.apply(queries.to(keys.dtype), keys, energy, workspace())


def for_tanh(keys: Tensor) -> Tensor:
    """Keys in the precision in which tanh is fast: on a CPU it is slower in bfloat16."""
    return keys.float() if keys.dtype == torch.bfloat16 and keys.device.type == "cpu" else keys


class _AdditiveEnergy(torch.autograd.Function):
    """`tanh(queries[:, :, None] + keys[:, None]) @ energy`, recomputed in the backward pass.

    Recomputing u = tanh(...) is cheaper than reading it from memory. With g the gradient of the scores, s = 1 - u^2 the slope of tanh and
    v the energy, the gradients are: for the energy, the sum of g u; for queries, v times the sum over R of g s; for keys, v times the sum
    over Q of g s.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, keys: Tensor, energy: Tensor, workspace: Workspace) -> Tensor:
        ctx.save_for_backward(queries, keys, energy)
        ctx.workspace = workspace
        weight, scores = energy.to(keys.dtype), keys.new_empty(*queries.shape[:2], keys.shape[1])  # (B, Q, R)
        for chunk_queries, chunk_keys, chunk_scores in _chunks(queries, keys, scores):
            _dot(_mixed(chunk_queries, chunk_keys, workspace), weight, chunk_scores)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        queries, keys, energy = ctx.saved_tensors
        to_queries, to_keys, to_energy = torch.empty_like(queries), torch.empty_like(keys), torch.zeros_like(energy)
        chunks = _chunks(queries, keys, gradient, to_queries, to_keys)
        for chunk_queries, chunk_keys, scores, chunk_to_queries, chunk_to_keys in chunks:
            mixed = _mixed(chunk_queries, chunk_keys, ctx.workspace)
            to_energy += torch.bmm(scores.flatten(0, 1)[:, None], mixed.flatten(0, 1)).sum((0, 1))
            slope = torch.addcmul(mixed.new_ones(()), mixed, mixed, value=-1, out=mixed)
            torch.matmul(scores[:, :, None], slope, out=chunk_to_queries[:, :, None])
            torch.sum(slope.mul_(scores[..., None]), 1, out=chunk_to_keys)
        weight = energy.to(keys.dtype)
        return to_queries.mul_(weight), to_keys.mul_(weight), to_energy, None


def _chunks(queries: Tensor, keys: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Chunks of photos: on a CPU as many as fit its cache, elsewhere all of them."""
    size = queries.shape[1] * keys.shape[1] * keys.shape[2] * keys.element_size()
    num_photos = max(1, _CACHE // size) if keys.device.type == "cpu" else len(keys)
    return zip(*(tensor.split(num_photos) for tensor in (queries, keys, *others)), strict=True)


def _mixed(queries: Tensor, keys: Tensor, workspace: Workspace) -> Tensor:
    """The tanh of every query plus every key. On a CPU it is computed as 2 sigmoid(2x) - 1, exact to 2e-7, since tanh is 5 times slower."""
    memory = workspace.take((*queries.shape[:2], *keys.shape[1:]), keys)  # (B, Q, R, A)
    queries, keys = queries[:, :, None], keys[:, None]
    if keys.device.type != "cpu":
        return torch.add(queries, keys, out=memory).tanh_()
    torch.add(2 * queries, keys, alpha=2, out=memory).sigmoid_()
    return torch.add(memory.new_tensor(-1), memory, alpha=2, out=memory)


def _dot(mixed: Tensor, weight: Tensor, scores: Tensor) -> None:
    """Write mixed (B, Q, R, A) times weight (A,) to scores (B, Q, R).

    On a CPU this overwrites `mixed`. A matrix-vector product could divide the rows among cores differently from the operations before and
    after it, and cores would then wait for data in each other's caches.
    """
    if mixed.device.type == "cpu":
        torch.sum(mixed.mul_(weight), -1, out=scores)
    else:
        torch.matmul(mixed, weight, out=scores)
