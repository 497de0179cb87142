"""Ways to compare a query with a region. Each gives one unnormalised score per pair.

Shapes: B photos, Q queries, R regions, H query size, D region size, A comparison size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from captioner.attention.contract import Score
from captioner.loops import LoopLinear
from captioner.ranges import Size


class AdditiveScore(Score):
    r"""A one-hidden-layer network compares the two: $v^\top \tanh(W h + U r)$.

    Source: Bahdanau, Cho and Bengio 2015, appendix A.1.2; Xu et al. 2015, section 3.1.2, apply it to image regions.
    Differs: the energy has no bias, which the softmax would cancel.

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature.
        size: A, the width of the hidden layer.
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.from_query = LoopLinear(query_size, size)
        self.from_region = nn.Linear(region_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return self.from_region(features)  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _AdditiveEnergy.apply(self.from_query(hidden), keys, self.energy.weight[0])


class _AdditiveEnergy(torch.autograd.Function):
    """`(tanh(queries[:, :, None] + keys[:, None]) @ energy)`, with a backward that never holds more than one (B, Q, R, A).

    With u = tanh(...) and g the scores' gradient, every gradient is a product with u or with u squared:
    energy: sum of g u; queries: energy * (sum over R of g - g u^2); keys: the same, summed over Q.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
        queries = queries.to(keys.dtype)
        mixed = torch.tanh_(queries[:, :, None] + keys[:, None])  # (B, Q, R, A)
        ctx.save_for_backward(mixed, energy)
        return mixed @ energy.to(mixed.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        mixed, energy = ctx.saved_tensors
        gradient = gradient.to(mixed.dtype)  # (B, Q, R)
        to_energy = (gradient[:, :, None] @ mixed).sum(dim=(0, 1, 2))
        squared = (mixed * mixed).mul_(gradient[..., None])  # (B, Q, R, A)
        to_queries = gradient.sum(2)[..., None] - squared.sum(2)  # (B, Q, A)
        to_keys = gradient.sum(1)[..., None] - squared.sum(1)  # (B, R, A)
        weight = energy.to(mixed.dtype)
        return to_queries * weight, to_keys * weight, to_energy.to(energy.dtype)
