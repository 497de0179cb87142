"""Baseline maps, to compare attention with.

Shapes: R regions.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from captioner.explain.agreement import middles, on_photo
from captioner.explain.grounding import Mention
from captioner.regions import Layout, Placement

CENTRE_SIGMA = 0.25
"""The standard deviation of the Gaussian in the middle of the photo, as a share of its width and of its height."""

_Index = TypeVar("_Index", int, Tensor)


def uniform_map(mention: Mention) -> Tensor:
    """(R,): the same weight for every region."""
    return torch.ones(len(mention.overlap.visible))


def centre_map(layout: Layout, placement: Placement) -> Tensor:
    """(R,): a Gaussian around the middle of the photo, evaluated at the middle of each region's part on the photo."""
    size = torch.tensor(placement.photo_size, dtype=torch.float64)
    offset = (middles(on_photo(layout, placement)[0]) / size - 0.5) / CENTRE_SIGMA  # (R, 2)
    return (-offset.square().sum(1) / 2).exp()


def centre_of(mention: Mention) -> Tensor:
    """(R,): `centre_map` of the mention's photo."""
    assert mention.caption.placement is not None
    return centre_map(mention.caption.layout, mention.caption.placement)


class ShuffledMaps:
    """The word's own weights in random order over the regions on the photo: as sharp as attention, but unrelated to the photo."""

    def __init__(self, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, mention: Mention) -> Tensor:
        visible = mention.overlap.visible.nonzero().squeeze(1)
        order = torch.randperm(len(visible), generator=self.generator)
        shuffled = mention.map.clone()
        shuffled[visible] = mention.map[visible[order]]
        return shuffled


def other_word(mention: Mention) -> Tensor:
    """(R,): the map of the word half a caption away."""
    return mention.map_at(other_index(mention.index, len(mention.caption.words)) - mention.index)


def other_index(index: _Index, num_words: _Index) -> _Index:
    """The index of the word half a caption away, whose map "another word's map" is.

    Counting wraps around at the end of the caption; a caption of one word has no other word, so its index is returned.

    Args:
        index: of the word.
        num_words: without the end token.
    """
    return (index + num_words // 2) % num_words
