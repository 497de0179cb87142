"""The shape of maps, for which no ground truth is needed.

A map that sums to less than 1 is scaled to 1 first; one that is 0 everywhere does not count.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.bootstrap import Estimate, ratio_interval
from captioner.explain.agreement import Overlap
from captioner.search.caption import Caption


@dataclass(frozen=True)
class MapShape:
    """Means over all words of all captions that have maps."""

    entropy: float  # of the map over log R, 0 (one region) to 1 (uniform)
    sharpness: float  # the largest weight's share of the map, 1 / R to 1
    change: float  # total variation distance to the map of the word before, 0 to 1; 0 where there is none


def map_shape(captions: Iterable[Caption]) -> MapShape | None:
    """None where there are no maps."""
    maps = [(found, caption) for caption in captions if (found := _maps(caption)) is not None]
    if not maps:
        return None
    entropies = torch.cat([entropy(found, caption.layout.num_regions) for found, caption in maps])
    sharpest = torch.cat([found.amax(1) for found, _ in maps])
    changes = torch.cat([_change(found) for found, _ in maps])
    return MapShape(*(float(values.mean()) if len(values) else 0.0 for values in (entropies, sharpest, changes)))


def shape_estimates(captions: Sequence[tuple[int, Caption]]) -> dict[str, Estimate | None]:
    """Means over the words of captions, given with their photos, with intervals over photos; empty where there are no maps.

    `entropy`, `sharpness`, `change` as in `MapShape`; `regions`, the effective number of them, the exponential of the entropy;
    `divergence` between a word's map and the one before, Jensen and Shannon's, in bits; `coverage`, the effective number of regions of a
    caption's mean map over R; `centre`, the mass in the middle quarter of the photo over its fair share, as a ratio of sums.
    """
    photos: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    fair: list[float] = []
    for photo, caption in captions:
        if (maps := _maps(caption)) is None:
            continue
        found = _of_words(maps, caption.layout.num_regions)
        middle = _middle(caption)
        if middle is not None:
            found["centre"] = middle.masses(maps)
            fair += [middle.fair_share] * len(found["centre"])
        for name, of_words in found.items():
            values.setdefault(name, []).extend(of_words.tolist())
            photos.setdefault(name, []).extend([photo] * len(of_words))
    return {name: ratio_interval(photos[name], values[name], fair if name == "centre" else None) for name in values}


def entropy(maps: Tensor, num_regions: int) -> Tensor:
    """(T,): of maps (T, R) that sum to 1, over log R."""
    return torch.special.entr(maps).sum(1) / math.log(max(2, num_regions))


def _of_words(maps: Tensor, num_regions: int) -> dict[str, Tensor]:
    return {
        "entropy": entropy(maps, num_regions),
        "regions": _effective(maps),
        "sharpness": maps.amax(1),
        "change": _change(maps),
        "divergence": _divergence(maps),
        "coverage": _effective(maps.mean(0, keepdim=True)) / num_regions,
    }


def _maps(caption: Caption) -> Tensor | None:
    """(T, R): the caption's maps, each of sum 1."""
    if caption.weights is None or not caption.words:
        return None
    sums = caption.weights.sum(1, keepdim=True)
    maps = (caption.weights / sums)[sums.squeeze(1) > 0]
    return maps if len(maps) else None


def _change(maps: Tensor) -> Tensor:
    return (maps[1:] - maps[:-1]).abs().sum(1) / 2


def _divergence(maps: Tensor) -> Tensor:
    between = (maps[1:] + maps[:-1]) / 2
    halves = (torch.special.entr(maps[1:]).sum(1) + torch.special.entr(maps[:-1]).sum(1)) / 2
    return (torch.special.entr(between).sum(1) - halves) / math.log(2)


def _effective(maps: Tensor) -> Tensor:
    return torch.special.entr(maps).sum(1).exp()


def _middle(caption: Caption) -> Overlap | None:
    """The middle half of the photo's width and height."""
    if caption.placement is None:
        return None
    width, height = caption.placement.photo_size
    return Overlap.of(caption.layout, caption.placement, (width / 4, height / 4, width / 2, height / 2))
