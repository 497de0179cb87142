"""No attention: the mean region, or the photo's own feature, for every word, as the baseline that attention has to beat."""

from __future__ import annotations

from captioner.attention.contract import Attended, Attention, Memory, Query
from captioner.regions import Regions


class NoAttention(Attention):
    """The context of every word is the mean region, or the photo's own feature where it has one; there are no weights.

    Source: the pooled image vector of Vinyals et al. 2015 (Show and Tell), used for every word in place of the context of Xu et al. 2015.

    Args:
        region_size: size of one region's feature (D); also the size of the context.
    """

    def __init__(self, region_size: int):
        super().__init__()
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        mean = regions.photo()
        return Memory(mean[:, None], mean[:, None], regions.mask, mean, regions.layout)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        return Attended(memory.values.expand(-1, query.hidden.shape[1], -1))
