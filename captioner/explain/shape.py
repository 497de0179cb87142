"""The shape of maps with intervals over photos: how sharp they are, how they move, and where they lie.

Formulas that a training's log needs too are in `captioner/map_shape.py`, which also says how maps are scaled.

Shapes: T words, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.bootstrap import Estimate, ratio_interval
from captioner.explain.agreement import Overlap
from captioner.map_shape import change, entropy, maps_of_words
from captioner.search.caption import Caption


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
