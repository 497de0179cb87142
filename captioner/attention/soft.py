"""Soft attention, also called global attention: every region gets a weight.

Shapes: B photos, Q queries, R regions, D region feature.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captioner.attention.contract import Attended, Attention, Memory, Query, Score
from captioner.regions import Regions


class SoftAttention(Attention):
    r"""The mean of all regions, weighted by a softmax over scores: $\alpha = \mathrm{softmax}(e)$, $z = \sum_i \alpha_i r_i$.

    Source: Xu et al. 2015, section 4.2; Luong et al. 2015, section 3.1, call it global attention.
    Masked regions get weight exactly 0: the mask is applied to the scores, before the softmax.

    Args:
        score: how a query is compared with a region.
        region_size: size of one region's feature (D); also the size of the context.
    """

    def __init__(self, score: Score, region_size: int):
        super().__init__()
        self.score = score
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.score.remember(regions.features), regions.features)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        weights = masked_softmax(self.score(query.hidden, memory.keys), memory.mask[:, None])
        return Attended(self.sum(weights, memory), weights)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax in float32 (float64 stays) over the last dimension, where the mask is True; 0 elsewhere."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
