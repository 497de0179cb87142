"""The shape of maps, which needs no ground truth: how spread out they are, and how they change from word to word.

A map that sums to less than 1 is scaled to 1 first. Words whose map is 0 everywhere are skipped.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.search.result import Caption


@dataclass(frozen=True)
class MapShape:
    """Means over all words of all captions that have maps."""

    entropy: float  # of the map over log R, 0 (one region) to 1 (uniform)
    sharpness: float  # the largest weight of the map, 1 / R to 1
    change: float | None  # see `change`, 0 to 1; None if no caption has two words


def map_shape(captions: Iterable[Caption]) -> MapShape | None:
    """The mean shape of the captions' maps; None if there are no maps."""
    all_maps = [maps for caption in captions if (maps := maps_of_words(caption)) is not None]
    if not all_maps:
        return None
    changes = torch.cat([change(maps) for maps in all_maps])
    return MapShape(
        entropy=float(torch.cat([entropy(maps) for maps in all_maps]).mean()),
        sharpness=float(torch.cat([maps.amax(1) for maps in all_maps]).mean()),
        change=float(changes.mean()) if len(changes) else None,
    )


def maps_of_words(caption: Caption) -> Tensor | None:
    """(T, R): the caption's maps, each of sum 1; None if there are none."""
    if caption.weights is None or not caption.words:
        return None
    maps = scaled(caption.weights)[caption.weights.sum(1) > 0]
    return maps if len(maps) else None


def scaled(weights: Tensor) -> Tensor:
    """(T, R): every map scaled to sum 1; a map that is 0 everywhere is left unchanged."""
    sums = weights.sum(1, keepdim=True)
    return weights / torch.where(sums > 0, sums, 1)


def entropy(maps: Tensor) -> Tensor:
    """(T,): the entropy of maps (T, R) of sum 1, divided by log R."""
    return torch.special.entr(maps).sum(1) / math.log(max(2, maps.shape[1]))


def change(maps: Tensor) -> Tensor:
    """(T - 1,): the total variation distance between the maps (T, R) of consecutive words."""
    return (maps[1:] - maps[:-1]).abs().sum(1) / 2
