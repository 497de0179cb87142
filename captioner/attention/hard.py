"""Hard attention: one region is drawn for every word, and nothing else is seen.

Shapes: B photos, Q queries, R regions, D region feature.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from captioner.attention.contract import Attended, Attention, Memory, Query, Score
from captioner.attention.soft import masked_softmax
from captioner.ranges import Probability
from captioner.regions import Regions


class HardAttention(Attention):
    r"""The context is one region, $z_t = \sum_i s_{t,i} a_i$ with a one-hot $s_t \sim \mathrm{Multinoulli}(\alpha_t)$.

    Source: Xu et al. 2015, section 4.1. No gradient passes through a draw: a training objective adds the REINFORCE term
    of their section 4.1 to teach where to look, from `choice_log_prob` ($\log \alpha_{t, s_t}$) and `choice_entropy` ($H[s_t]$).
    Following the end of that section, a share of the looks in training takes the expected region, as soft attention does, which calms the
    gradient; there `choice_log_prob` is 0. Differs: the paper lets chance decide once for a photo, here it decides for every word.

    `weights` are the probabilities $\alpha$, in training and in decoding; the region seen is the one drawn from them, or the likeliest.

    Args:
        score: how a query is compared with a region.
        region_size: D, the size of one region's feature; also the size of the context.
        expected: share of the looks in training that take the expected region.
        decoding: after training, see the likeliest region, or draw.
    """

    def __init__(
        self,
        score: Score,
        region_size: int,
        expected: Probability = 0.5,
        decoding: Literal["likeliest", "draw"] = "likeliest",
    ):
        super().__init__()
        self.score = score
        self.expected, self.decoding = expected, decoding
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.score.remember(regions.features), regions.features)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        weights = masked_softmax(self.score(query.hidden, memory.keys), memory.mask[:, None])  # (B, Q, R)
        drawn = _draw(weights) if self.training or self.decoding == "draw" else weights.argmax(-1)  # (B, Q)
        share = torch.zeros_like(weights).scatter(-1, drawn[..., None], 1.0)
        if not self.training:
            return Attended(super().sum(share, memory), weights)
        logs = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
        is_expected = torch.rand(drawn.shape, device=drawn.device) < self.expected
        share = torch.where(is_expected[..., None], weights, share)
        log_prob = logs.gather(-1, drawn[..., None]).squeeze(-1).masked_fill(is_expected, 0.0)
        context = super().sum(share, memory)
        return Attended(context, weights, choice_log_prob=log_prob, choice_entropy=-(weights * logs).sum(-1))

    def sum(self, weights: Tensor, memory: Memory) -> Tensor:
        """The likeliest region; of those that tie, the mean."""
        likeliest = (weights == weights.amax(-1, keepdim=True)).to(weights.dtype) * memory.mask[:, None]
        return super().sum(likeliest / likeliest.sum(-1, keepdim=True), memory)


def _draw(weights: Tensor) -> Tensor:
    """One region (B, Q) of the probabilities (B, Q, R): the first of as many exponential clocks to ring."""
    return (weights.detach() / torch.empty_like(weights).exponential_()).argmax(-1)
