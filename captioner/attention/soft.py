"""Soft attention, also called global attention; and the ways in which all kinds turn scores into weights.

Shapes: B photos, Q queries, R regions, D region feature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from captioner.attention.contract import Attended, Attention, Memory, Query, Score
from captioner.ranges import OneOf
from captioner.regions import Regions


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax in float32 (float64 stays) over the last dimension, where the mask is True; 0 elsewhere."""
    return _masked(scores, mask).softmax(dim=-1)


def masked_sparsemax(scores: Tensor, mask: Tensor) -> Tensor:
    r"""The distribution nearest to the scores, $\arg\min_{p} \lVert p - e \rVert^2 = \max(e - \tau, 0)$; low scores get weight exactly 0.

    Source: Martins and Astudillo 2016, equation 2; $\tau$ is their algorithm 1. Precision and mask are those of `masked_softmax`.
    """
    from entmax import sparsemax

    return sparsemax(_masked(scores, mask), dim=-1)


def masked_entmax15(scores: Tensor, mask: Tensor) -> Tensor:
    r"""1.5-entmax, between softmax and sparsemax: $\max(e / 2 - \tau, 0)^2$; low scores get weight exactly 0.

    Source: Peters, Niculae and Martins 2019, section 3, with $\alpha = 1.5$; $\tau$ is their algorithm 2, which sorts. Precision and mask
    are those of `masked_softmax`.
    """
    from entmax import entmax15

    return entmax15(_masked(scores, mask), dim=-1)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return scores.masked_fill(~mask, -torch.inf)


WEIGH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "softmax": masked_softmax,
    "sparsemax": masked_sparsemax,
    "entmax15": masked_entmax15,
}
"""Ways to turn scores and a mask of regions into weights, by the name a config gives them."""

Weigh = Annotated[str, OneOf(WEIGH)]


class SoftAttention(Attention):
    r"""The mean of all regions, weighted by a softmax over scores: $\alpha = \mathrm{softmax}(e)$, $z = \sum_i \alpha_i r_i$.

    Source: Xu et al. 2015, section 4.2; Luong et al. 2015, section 3.1, call it global attention.
    Masked regions get weight exactly 0: the mask is applied to the scores, before the softmax.

    Args:
        score: how a query is compared with a region.
        region_size: size of one region's feature (D); also the size of the context.
        weigh: how scores become weights: `sparsemax` and `entmax15` give some regions weight 0.
    """

    def __init__(self, score: Score, region_size: int, weigh: Weigh = "softmax"):
        super().__init__()
        self.score, self.weigh = score, WEIGH[weigh]
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.score.remember(regions.features), regions.features)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        weights = self.weigh(self.score(query.hidden, memory.keys), memory.mask[:, None])
        return Attended(self.sum(weights, memory), weights)
