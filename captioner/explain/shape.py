"""The shape of maps, for which no ground truth is needed.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from captioner.search.caption import Caption


@dataclass(frozen=True)
class MapShape:
    """Means over all words of all captions that have maps."""

    entropy: float  # of the map over log R, 0 (one region) to 1 (uniform)
    sharpness: float  # the largest weight's share of the map, 1 / R to 1
    change: float  # total variation distance to the map of the word before, 0 to 1; 0 where there is none


def map_shape(captions: Iterable[Caption]) -> MapShape | None:
    """None where there are no maps. A map that sums to less than 1 is scaled to 1 first; one that is 0 everywhere does not count."""
    entropies, sharpest, changes = [], [], []
    for caption in captions:
        if caption.weights is None or not caption.words:
            continue
        sums = caption.weights.sum(1, keepdim=True)
        maps = (caption.weights / sums)[sums.squeeze(1) > 0]
        num_regions = caption.layout.num_regions
        entropies.append(torch.special.entr(maps).sum(1) / math.log(max(2, num_regions)))
        sharpest.append(maps.amax(1))
        changes.append((maps[1:] - maps[:-1]).abs().sum(1) / 2)
    if not entropies:
        return None
    found = [torch.cat(values) for values in (entropies, sharpest, changes)]
    return MapShape(*(float(values.mean()) if len(values) else 0.0 for values in found))
