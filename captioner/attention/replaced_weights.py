"""Attention whose weights are replaced before they sum: what would have been written, had the decoder looked elsewhere?

Shapes: B photos, Q queries, R regions, N heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from captioner.attention.contract import Attended, Attention, Memory, Query
from captioner.regions import Regions

Change = Callable[[Tensor, Memory, Query], Tensor]
"""Other weights for those of a look, (B, Q, R), or (B, Q, N, R) where there are heads."""


class Replaced(Attention):
    """Around any kind that looks: score and weigh as it does, then sum other weights.

    The new weights are brought to the sum of the old ones: a sentinel keeps its share and brings what it brought, and where published
    weights do not sum to 1, nor do these. Heads are changed one by one. A kind that takes the likeliest region takes the new map's, or
    the mean of those that tie. Around `none` there is nothing to replace; of attention on attention replace the kind inside.

    Args:
        attention: the kind.
        change: makes the new weights; `uniform`, `Shuffled(seed)`, `given`.
        maps: for `given`, (B, Q, T, R) or (B, Q, T, N, R) of the photos that will be remembered.

    Raises:
        ValueError: the kind returned no weights.
    """

    def __init__(self, attention: Attention, change: Change, maps: Tensor | None = None):
        super().__init__()
        self.attention, self.change, self.maps = attention, change, maps
        self.context_size, self.needs_cell = attention.context_size, attention.needs_cell

    def remember(self, regions: Regions) -> Memory:
        memory = self.attention.remember(regions)
        if self.maps is None:
            return memory
        return memory.extended(MemoryOfMaps, maps=self.maps)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        looked = self.attention(query, memory, True)
        own = looked.weights if looked.head_weights is None else looked.head_weights
        if own is None:
            raise ValueError(f"{type(self.attention).__name__} has no weights to replace; take a kind that looks")
        new = self.change(own, memory, query)
        new = new * (own.sum(-1, keepdim=True) / new.sum(-1, keepdim=True).clamp(min=torch.finfo(new.dtype).tiny))
        context = self.attention.sum(new, memory)
        if looked.sentinel is not None:
            context = context + looked.context - self.attention.sum(own, memory)
        if looked.head_weights is None:
            return replace(looked, context=context, weights=new)
        return replace(looked, context=context, weights=new.mean(2), head_weights=new)


@dataclass(frozen=True)
class MemoryOfMaps(Memory):
    """A memory that knows maps of its photos' captions."""

    maps: Tensor | None = None  # (B, Q, T, R), or (B, Q, T, N, R)

    def select(self, photos: Tensor | slice) -> Memory:
        assert self.maps is not None
        return super().select(photos).extended(MemoryOfMaps, maps=self.maps[photos])


def uniform(weights: Tensor, memory: Memory, query: Query) -> Tensor:
    """Every real region the same."""
    return _for_heads(memory.mask[:, None], weights).to(weights.dtype).expand_as(weights)


class Shuffled:
    """The same weights on other regions: for every query real regions change places, those of all heads alike."""

    def __init__(self, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, weights: Tensor, memory: Memory, query: Query) -> Tensor:
        drawn = torch.rand(weights.shape[0], weights.shape[1], weights.shape[-1], generator=self.generator)
        mask = memory.mask[:, None].expand(drawn.shape)
        drawn = drawn.to(weights.device).masked_fill(~mask, 2.0)  # padding stays behind
        places = torch.arange(drawn.shape[-1], device=weights.device).expand(drawn.shape)
        real_first = torch.where(mask, places, places + drawn.shape[-1]).argsort(-1)
        order = torch.empty_like(places).scatter(-1, real_first, drawn.argsort(-1))
        return weights.gather(-1, _for_heads(order, weights).expand_as(weights))


def given(weights: Tensor, memory: Memory, query: Query) -> Tensor:
    """The memory's map for each query's position, the last one for positions after it.

    Queries may be some of the captions at one word (a recurrent decoder, whose captions leave the loop from the end), or all captions
    at all words (a transformer). Where there are more captions than maps, as beams of one photo, all have the first caption's.
    """
    assert isinstance(memory, MemoryOfMaps)
    assert memory.maps is not None
    maps = memory.maps.to(weights.device, weights.dtype)
    num_photos, num_queries = query.position.shape
    words_at_once = int(query.position.max() - query.position.min()) + 1
    caption = (torch.arange(num_queries, device=weights.device) // words_at_once).clamp(max=maps.shape[1] - 1)
    photo = torch.arange(num_photos, device=weights.device)[:, None]
    return maps[photo, caption, query.position.clamp(max=maps.shape[2] - 1)]


def _for_heads(values: Tensor, weights: Tensor) -> Tensor:
    """Values (B, Q, R) beside weights that may have heads."""
    return values[:, :, None] if weights.dim() == 4 else values
