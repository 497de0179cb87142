"""The shape of maps, for which no ground truth is needed: how spread out they are, and how they change from word to word.

A map that sums to less than 1 is scaled to 1 first. A map that is 0 everywhere is left out, as if its word had not been written.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.explain.agreement import Overlap
from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.search.result import Caption


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


def shape_estimates(captions: Sequence[tuple[int, Caption]]) -> dict[str, Estimate | None]:
    """Means over the words of captions, given with their photos, with intervals over photos; empty where there are no maps.

    `entropy`, `sharpness`, `change` as in `MapShape`; `regions`, the effective number of them, the exponential of the entropy;
    `divergence` between a word's map and the one before, Jensen and Shannon's, in bits; `coverage`, the effective number of regions of a
    caption's mean map over R, a mean over captions; `centre`, the mass in the middle quarter of the photo over its fair share, as a ratio
    of sums.
    """
    photos: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    fair: list[float] = []
    for photo, caption in captions:
        if (maps := maps_of_words(caption)) is None:
            continue
        found = _of_words(maps)
        middle = _middle(caption)
        if middle is not None:
            found["centre"] = middle.masses(maps)
            fair += [middle.fair_share] * len(maps)
        for name, of_words in found.items():
            values.setdefault(name, []).extend(of_words.tolist())
            photos.setdefault(name, []).extend([photo] * len(of_words))
    return {name: ratio_interval(photos[name], values[name], fair if name == "centre" else None) for name in values}


def _of_words(maps: Tensor) -> dict[str, Tensor]:
    return {
        "entropy": entropy(maps),
        "regions": _effective(maps),
        "sharpness": maps.amax(1),
        "change": change(maps),
        "divergence": _divergence(maps),
        "coverage": _effective(maps.mean(0, keepdim=True)) / maps.shape[1],
    }


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
