"""The energy of additive attention, without keeping a tensor (B, Q, R, A) for the backward pass.

On a CPU, tanh costs more than everything else that happens to such a tensor. With r = 1 / (1 + exp(2q) exp(2k)), tanh(q + k) is 1 - 2r:
the powers are computed once for each query and each key, and only a product and a division remain for each pair.

Shapes: B photos, Q queries, R regions, A comparison size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from captioner.layers.linear import Workspace, workspace

_CACHE = 2**22  # bytes, about the size of a CPU core's cache
_LIMIT = 40.0  # exp(2 * 40) is finite in float32, and tanh(40) is 1


def energy_keys(keys: Tensor) -> Tensor:
    """What `additive_energy` compares queries with: exp(2 keys) in at least float32 on a CPU, elsewhere the keys themselves.

    On a CPU keys are limited to -40 to 40, as are queries. This changes a result only where both are beyond 30, with opposite signs.
    """
    return _powers(keys if keys.dtype == torch.float64 else keys.float()) if keys.device.type == "cpu" else keys


def additive_energy(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Compute scores (B, Q, R), with the values and gradients of `tanh(queries[:, :, None] + k[:, None]) @ energy`.

    Args:
        queries: (B, Q, A).
        keys: (B, R, A), `energy_keys(k)`.
        energy: (A,).
    """
    queries, on_cpu = queries.to(keys.dtype), keys.device.type == "cpu"
    if torch.compiler.is_compiling():  # an export holds the plain formula
        if on_cpu:
            # no number is added or multiplied: torch 2.6 would write the shapes of its results as constants
            product = _powers(queries)[:, :, None] * keys[:, None]
            return energy.sum() - ((energy + energy) / (product + torch.ones_like(product))).sum(-1)
        return torch.tanh(queries[:, :, None] + keys[:, None]) @ energy
    with torch.autocast(keys.device.type, enabled=False):
        return (_EnergyOfPowers if on_cpu else _Energy).apply(queries, keys, energy, workspace())


class _EnergyOfPowers(torch.autograd.Function):
    """The energy on a CPU, from queries and the powers of keys; r is recomputed in the backward pass.

    With g the gradient of the scores and v the energy, the scores are the sum over A of v (1 - 2r). Their gradients are: for the energy,
    the sum of g (1 - 2r); for queries, 4 v times the sum over R of g r (1 - r); for keys the same with the sum over Q, which
    is divided by the derivative 2 exp(2k) of the powers.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, powers: Tensor, energy: Tensor, workspace: Workspace) -> Tensor:
        query_powers = _powers(queries)
        ctx.save_for_backward(query_powers, powers, energy)
        ctx.workspace = workspace
        weight, scores = energy.to(powers.dtype), powers.new_empty(*queries.shape[:2], powers.shape[1])  # (B, Q, R)
        doubled = 2 * weight
        for of_queries, of_keys, chunk_scores in _small_chunks(query_powers, powers, scores):
            mixed = _one_plus_product(of_queries, of_keys, workspace)
            # a matrix-vector product could divide the rows among cores differently from the other operations, and cores would then
            # wait for data in each other's caches
            torch.sum(torch.div(doubled, mixed, out=mixed), -1, out=chunk_scores)
        return scores.neg_().add_(weight.sum())

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        query_powers, powers, energy = ctx.saved_tensors
        to_queries, to_powers = torch.empty_like(query_powers), torch.empty_like(powers)
        to_energy = gradient.sum().expand_as(energy).clone()
        chunks = _chunks(query_powers, powers, gradient, to_queries, to_powers)
        for of_queries, of_keys, scores, chunk_to_queries, chunk_to_powers in chunks:
            ratio = _one_plus_product(of_queries, of_keys, ctx.workspace).reciprocal_()
            to_energy -= 2 * torch.bmm(scores.flatten(0, 1)[:, None], ratio.flatten(0, 1)).sum((0, 1))
            slope = torch.addcmul(ratio, ratio, ratio, value=-1, out=ratio)
            torch.matmul(scores[:, :, None], slope, out=chunk_to_queries[:, :, None])
            torch.sum(slope.mul_(scores[..., None]), 1, out=chunk_to_powers)
        weight = energy.to(powers.dtype)
        return to_queries.mul_(4 * weight), to_powers.mul_(2 * weight).div_(powers), to_energy, None


class _Energy(torch.autograd.Function):
    """`tanh(queries[:, :, None] + keys[:, None]) @ energy`, recomputed in the backward pass.

    Recomputing u = tanh(...) is cheaper than reading it from memory. With g the gradient of the scores, s = 1 - u^2 the slope of tanh and
    v the energy, the gradients are: for the energy, the sum of g u; for queries, v times the sum over R of g s; for keys, v times the sum
    over Q of g s.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, keys: Tensor, energy: Tensor, workspace: Workspace) -> Tensor:
        ctx.save_for_backward(queries, keys, energy)
        ctx.workspace = workspace
        return _mixed(queries, keys, workspace) @ energy.to(keys.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        queries, keys, energy = ctx.saved_tensors
        mixed, weight = _mixed(queries, keys, ctx.workspace), energy.to(keys.dtype)
        to_energy = torch.bmm(gradient.flatten(0, 1)[:, None], mixed.flatten(0, 1)).sum((0, 1)).to(energy.dtype)
        slope = torch.addcmul(mixed.new_ones(()), mixed, mixed, value=-1, out=mixed)
        to_queries = (gradient[:, :, None] @ slope).squeeze(2)
        to_keys = slope.mul_(gradient[..., None]).sum(1)
        return to_queries.mul_(weight), to_keys.mul_(weight), to_energy, None


def _powers(inputs: Tensor) -> Tensor:
    limited = inputs.clamp(-_LIMIT, _LIMIT)
    return (limited + limited).exp()


def _chunks(queries: Tensor, keys: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """As many photos at once as fit a core's cache."""
    num_photos = max(1, _CACHE // (queries.shape[1] * keys.shape[1] * keys.shape[2] * keys.element_size()))
    return zip(*(tensor.split(num_photos) for tensor in (queries, keys, *others)), strict=True)


def _small_chunks(queries: Tensor, keys: Tensor, scores: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """As `_chunks`; of a photo that does not fit, as many queries at once as do."""
    num_queries = max(1, _CACHE // (keys.shape[1] * keys.shape[2] * keys.element_size()))
    for of_queries, of_keys, of_scores in _chunks(queries, keys, scores):
        for some, some_scores in zip(of_queries.split(num_queries, 1), of_scores.split(num_queries, 1), strict=True):
            yield some, of_keys, some_scores


def _one_plus_product(of_queries: Tensor, of_keys: Tensor, workspace: Workspace) -> Tensor:
    memory = workspace.take((*of_queries.shape[:2], *of_keys.shape[1:]), of_keys)  # (B, Q, R, A)
    return torch.addcmul(memory.new_ones(()), of_queries[:, :, None], of_keys[:, None], out=memory)


def _mixed(queries: Tensor, keys: Tensor, workspace: Workspace) -> Tensor:
    """The tanh of every query plus every key."""
    memory = workspace.take((*queries.shape[:2], *keys.shape[1:]), keys)  # (B, Q, R, A)
    return torch.add(queries[:, :, None], keys[:, None], out=memory).tanh_()
