"""Hard attention: the context of every word is one region, drawn at random.

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
    r"""The context of every word is a single region, drawn from a softmax over scores: $z_t = \sum_i s_{t,i} a_i$ with a one-hot
    $s_t \sim \mathrm{Multinoulli}(\alpha_t)$.

    Source: Xu et al. 2015, section 4.1. No gradient passes through a draw. The training objective therefore adds the REINFORCE term of
    that section, from `choice_log_prob` ($\log \alpha_{t, s_t}$) and `choice_entropy` ($H[s_t]$). As at the end of that section, a
    share of the steps in training takes the expected region, as soft attention does, which reduces the variance of the gradient; there
    `choice_log_prob` is 0. Differs: the paper draws once per photo whether to do so, here every word is decided separately.

    There is no `weigh`: the draw and its log-probability are those of a softmax, in which every region has a chance.

    `weights` are the probabilities $\alpha$, in training and in decoding; the context is the region drawn from them, or the likeliest.

    Args:
        score: how a query is compared with a region.
        region_size: size of one region's feature (D); also the size of the context.
        expected: share of the words in training that take the expected region, as soft attention does, instead of a draw.
        decoding: which region a word takes after training: the likeliest, or a draw.
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
        region = _draw(weights) if self.training or self.decoding == "draw" else weights.argmax(-1)  # (B, Q)
        one_hot = torch.zeros_like(weights).scatter(-1, region[..., None], 1.0)
        if not self.training:
            return Attended(super().sum(one_hot, memory), weights)
        log_weights = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
        is_expected = torch.rand(region.shape, device=region.device) < self.expected
        log_prob = log_weights.gather(-1, region[..., None]).squeeze(-1).masked_fill(is_expected, 0.0)
        context = super().sum(torch.where(is_expected[..., None], weights, one_hot), memory)
        return Attended(context, weights, choice_log_prob=log_prob, choice_entropy=-(weights * log_weights).sum(-1))

    def sum(self, weights: Tensor, memory: Memory) -> Tensor:
        """The likeliest region, or the mean of several that tie."""
        likeliest = (weights == weights.amax(-1, keepdim=True)).to(weights.dtype) * memory.mask[:, None]
        return super().sum(likeliest / likeliest.sum(-1, keepdim=True), memory)


def _draw(weights: Tensor) -> Tensor:
    """Draw one region (B, Q) from probabilities (B, Q, R), by the exponential race (the Gumbel-max trick)."""
    return (weights.detach() / torch.empty_like(weights).exponential_()).argmax(-1)
