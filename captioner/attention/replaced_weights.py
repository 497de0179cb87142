"""Attention whose weights are replaced before the sum: what would the decoder write if it attended to other regions?

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
"""Returns new weights for those of an attention step, (B, Q, R), or (B, Q, N, R) of heads."""


class Replaced(Attention):
    """Around any kind with weights: score and weigh as it does, then sum with other weights.

    The new weights are scaled to the sum of the old ones, so that a sentinel keeps its share, and weights that do not sum to 1 as
    published still do not. Heads are changed one by one. Hard attention takes the likeliest region of the new map, or the mean of several
    that tie. `none` has no weights to replace; for attention on attention, replace the kind inside.

    Args:
        attention: the kind.
        change: computes the new weights; `uniform`, `Shuffled(seed)`, `given`.
        maps: for `given`, (B, Q, T, R) or (B, Q, T, N, R), for the batch that will be remembered.

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
        attended = self.attention(query, memory, True)
        own = attended.weights if attended.head_weights is None else attended.head_weights
        if own is None:
            raise ValueError(
                f"{type(self.attention).__name__} has no weights to replace; choose a kind that has weights"
            )
        new = self.change(own, memory, query)
        new = new * (own.sum(-1, keepdim=True) / new.sum(-1, keepdim=True).clamp(min=torch.finfo(new.dtype).tiny))
        context = self.attention.sum(new, memory)
        if attended.sentinel is not None:
            context = context + attended.context - self.attention.sum(own, memory)
        if attended.head_weights is None:
            return replace(attended, context=context, weights=new)
        return replace(attended, context=context, weights=new.mean(2), head_weights=new)


@dataclass(frozen=True)
class MemoryOfMaps(Memory):
    """A memory that also holds maps of its photos' captions."""

    maps: Tensor | None = None  # (B, Q, T, R), or (B, Q, T, N, R)

    def select(self, photos: Tensor | slice) -> Memory:
        assert self.maps is not None
        return super().select(photos).extended(MemoryOfMaps, maps=self.maps[photos])


def uniform(weights: Tensor, memory: Memory, query: Query) -> Tensor:
    """Equal weights on all real regions."""
    return _for_heads(memory.mask[:, None], weights).to(weights.dtype).expand_as(weights)


class Shuffled:
    """The same weights on other regions: a random permutation of the real regions for every query, the same for all heads."""

    def __init__(self, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, weights: Tensor, memory: Memory, query: Query) -> Tensor:
        drawn = torch.rand(weights.shape[0], weights.shape[1], weights.shape[-1], generator=self.generator)
        mask = memory.mask[:, None].expand(drawn.shape)
        drawn = drawn.to(weights.device).masked_fill(~mask, 2.0)  # padding comes last
        indices = torch.arange(drawn.shape[-1], device=weights.device).expand(drawn.shape)
        real_first = torch.where(mask, indices, indices + drawn.shape[-1]).argsort(-1)
        order = torch.empty_like(indices).scatter(-1, real_first, drawn.argsort(-1))
        return weights.gather(-1, _for_heads(order, weights).expand_as(weights))


def given(weights: Tensor, memory: Memory, query: Query) -> Tensor:
    """The memory's map at each query's position; the last map for later positions.

    Queries are some of the captions at one word (a recurrent decoder, whose captions leave the loop from the end), or all captions at all
    words (a transformer). Captions beyond the last one with maps, such as beams, use that one's maps.
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
    """Values (B, Q, R) shaped to broadcast with weights that may have heads."""
    return values[:, :, None] if weights.dim() == 4 else values
