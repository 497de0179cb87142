"""Maps that know less than attention does, to hold it against.

Shapes: R regions.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from captioner.explain.agreement import middles, on_photo
from captioner.explain.grounding import Look
from captioner.regions import Layout, Placement

CENTRE_SIGMA = 0.25
"""The standard deviation of the Gaussian in the middle of the photo, as a share of its width and of its height."""


_Place = TypeVar("_Place", int, Tensor)


def uniform_map(look: Look) -> Tensor:
    return torch.ones(len(look.overlap.visible))


def centre_map(layout: Layout, placement: Placement) -> Tensor:
    """(R,): a Gaussian around the photo's middle, at the middle of each region's part on the photo."""
    size = torch.tensor(placement.photo_size, dtype=torch.float64)
    away = (middles(on_photo(layout, placement)[0]) / size - 0.5) / CENTRE_SIGMA  # (R, 2)
    return (-away.square().sum(1) / 2).exp()


def centre_of(look: Look) -> Tensor:
    assert look.caption.placement is not None
    return centre_map(look.caption.layout, look.caption.placement)


class ShuffledMaps:
    """The word's own map, its weights dealt out anew over the regions on the photo: as sharp, and it knows nothing."""

    def __init__(self, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, look: Look) -> Tensor:
        places = look.overlap.visible.nonzero().squeeze(1)
        order = torch.randperm(len(places), generator=self.generator)
        shuffled = look.map.clone()
        shuffled[places] = look.map[places[order]]
        return shuffled


def other_word(look: Look) -> Tensor:
    """The map of the word half a caption away."""
    return look.map_at(other_place(look.place, len(look.caption.words)) - look.place)


def other_place(place: _Place, num_words: _Place) -> _Place:
    """The place of the word half a caption away: whose map "another word's map" is, wherever maps are compared or replaced.

    Of `num_words` words, the end mark not counted. From the last it goes on at the first; of one word it is that word.
    """
    return (place + num_words // 2) % num_words
