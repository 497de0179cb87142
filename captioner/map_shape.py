"""The shape of maps, for which no ground truth is needed: how spread they are, and how they move from word to word.

A map that sums to less than 1 is scaled to 1 first. One that is 0 everywhere is left out, as if its word had not been written.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.search.caption import Caption


@dataclass(frozen=True)
class MapShape:
    """Means over all words of all captions that have maps."""

    entropy: float  # of the map over log R, 0 (one region) to 1 (uniform)
    sharpness: float  # the largest weight's share of the map, 1 / R to 1
    change: float | None  # see `change`, 0 to 1; None where no caption has two words


def map_shape(captions: Iterable[Caption]) -> MapShape | None:
    """None where there are no maps."""
    maps = [found for caption in captions if (found := maps_of_words(caption)) is not None]
    if not maps:
        return None
    changes = torch.cat([change(found) for found in maps])
    return MapShape(
        entropy=float(torch.cat([entropy(found) for found in maps]).mean()),
        sharpness=float(torch.cat([found.amax(1) for found in maps]).mean()),
        change=float(changes.mean()) if len(changes) else None,
    )


def maps_of_words(caption: Caption) -> Tensor | None:
    """(T, R): the caption's maps, each of sum 1; None where there are none."""
    if caption.weights is None or not caption.words:
        return None
    maps = scaled(caption.weights)[caption.weights.sum(1) > 0]
    return maps if len(maps) else None


def scaled(weights: Tensor) -> Tensor:
    """(T, R): every map brought to sum 1; one that is 0 everywhere stays."""
    sums = weights.sum(1, keepdim=True)
    return weights / torch.where(sums > 0, sums, 1)


def entropy(maps: Tensor) -> Tensor:
    """(T,): of maps (T, R) that sum to 1, over log R."""
    return torch.special.entr(maps).sum(1) / math.log(max(2, maps.shape[1]))


def change(maps: Tensor) -> Tensor:
    """(T - 1,): how much of its weight each map (T, R) has elsewhere than the map before, their total variation distance."""
    return (maps[1:] - maps[:-1]).abs().sum(1) / 2
