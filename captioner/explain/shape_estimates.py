"""The shape of maps with intervals over photos.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.explain.agreement import Overlap
from captioner.explain.shape import change, entropy, maps_of_words
from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.search.result import Caption


def shape_estimates(captions: Sequence[tuple[int, Caption]]) -> dict[str, Estimate | None]:
    """Means over words with intervals over photos; empty if there are no maps.

    - `entropy`, `sharpness`, `change`: as in `MapShape`;
    - `regions`: the effective number of regions, the exponential of the entropy;
    - `divergence`: the Jensen-Shannon divergence between the maps of consecutive words, in bits;
    - `coverage`: the effective number of regions of a caption's mean map, divided by R; a mean over captions;
    - `centre`: the mass in the middle quarter of the photo, divided by a uniform map's mass there; a ratio of sums.

    Args:
        captions: each with the index of its photo.
    """
    photos: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    fair_shares: list[float] = []
    for photo, caption in captions:
        if (maps := maps_of_words(caption)) is None:
            continue
        measures = _measures(maps)
        middle = _middle(caption)
        if middle is not None:
            measures["centre"] = middle.masses(maps)
            fair_shares += [middle.fair_share] * len(maps)
        for name, measured in measures.items():
            values.setdefault(name, []).extend(measured.tolist())
            photos.setdefault(name, []).extend([photo] * len(measured))
    return {
        name: ratio_interval(photos[name], values[name], fair_shares if name == "centre" else None) for name in values
    }


def _measures(maps: Tensor) -> dict[str, Tensor]:
    """Measures of one caption's maps (T, R): one value per word, per pair of consecutive words, or per caption."""
    return {
        "entropy": entropy(maps),
        "regions": _effective_regions(maps),
        "sharpness": maps.amax(1),
        "change": change(maps),
        "divergence": _divergence(maps),
        "coverage": _effective_regions(maps.mean(0, keepdim=True)) / maps.shape[1],
    }


def _divergence(maps: Tensor) -> Tensor:
    """(T - 1,): the Jensen-Shannon divergence between the maps (T, R) of consecutive words, in bits."""
    mixture = (maps[1:] + maps[:-1]) / 2
    mean_entropy = (torch.special.entr(maps[1:]).sum(1) + torch.special.entr(maps[:-1]).sum(1)) / 2
    return (torch.special.entr(mixture).sum(1) - mean_entropy) / math.log(2)


def _effective_regions(maps: Tensor) -> Tensor:
    return torch.special.entr(maps).sum(1).exp()


def _middle(caption: Caption) -> Overlap | None:
    """The middle half of the photo's width and height."""
    if caption.placement is None:
        return None
    width, height = caption.placement.photo_size
    return Overlap.of(caption.layout, caption.placement, (width / 4, height / 4, width / 2, height / 2))
