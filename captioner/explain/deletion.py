"""Insertion and deletion: is the map the reason for the word?

Regions are deleted from a photo, or inserted into an empty one, in the order of a map, and the log-probability of one word is recorded.
A deleted region becomes the mean region of all photos. The photo's mean region, which some decoders read besides attention's context,
changes with it. A photo's feature of its own in place of that mean (`encoder.mean=last_map`) stays as it is, so do not compare the numbers
of such a model with another model's.

Source: deletion and insertion of Petsiuk et al. 2018 (RISE), on regions instead of pixels and with log-probabilities. Only the order of
a map counts, and photos without some regions differ from all training photos (Gomez et al. 2022): compare with a random order.

Shapes: n words, R regions, D region feature, F fractions, T words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.model import CaptionModel
from captioner.regions import Regions

FRACTIONS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)
"""Shares of a photo's regions that are deleted or inserted. They are symmetric, so that a random order has no gap on average."""


@dataclass(frozen=True)
class Target:
    """The word of a caption whose probability is measured."""

    photo: int  # index of the photo
    words: Sequence[int]  # token ids from the start token to the word itself


@dataclass(frozen=True)
class Curve:
    """The log-probability of a word, at each of `FRACTIONS`."""

    photo: int
    deletion: Tensor  # (F,) while regions are deleted
    insertion: Tensor  # (F,) while regions are inserted
    fractions: Tensor  # (F,) shares of the regions, rounded to whole regions


@dataclass(frozen=True)
class CurveAreas:
    """Areas under the curves of many words, as ratios of sums: 0 is a photo without regions, 1 the whole photo.

    None if the photos do not make the words likelier.
    """

    num_words: int
    deletion: Estimate | None  # low if the map ranks first what the word depends on
    insertion: Estimate | None  # high if it does
    gap: Estimate | None  # insertion minus deletion; 0 on average over all orders


def last_log_probs(model: CaptionModel, regions: Regions, words: Tensor) -> Tensor:
    """(n,): the log-probability of the last word of each prefix (n, T), one for each photo, given the words before."""
    memory = model.remember(regions)
    output, _ = model.decoder(words[:, None, :-1], memory, need_weights=False)
    logits = model.decoder.vocabulary_logits(output[:, 0, -1])  # (n, V)
    return logits.float().log_softmax(-1).gather(-1, words[:, -1:]).squeeze(-1)


@torch.no_grad()
def deletion_curves(
    model: CaptionModel, regions: Regions, target: Target, maps: Mapping[str, Tensor], empty: Tensor
) -> dict[str, Curve]:
    """The curves of a word in the order of each map (R,).

    Args:
        model: in evaluation mode.
        regions: of the word's photo alone.
        target: the word.
        maps: by name. Regions that tie, such as those with weight 0, come in a random order, the same for all maps.
        empty: (D,) the feature that replaces a deleted region.
    """
    num_regions = regions.mask[0].sum()
    counts = (torch.tensor(FRACTIONS, device=num_regions.device) * num_regions).round()  # (F,)
    order = torch.randperm(regions.mask.shape[1], generator=torch.Generator().manual_seed(target.photo))
    kept = torch.cat([_kept(weights, regions.mask[0], counts, order) for weights in maps.values()])  # (maps x 2 x F, R)
    features = torch.where(kept[..., None], regions.features, empty.to(regions.features))
    same = torch.zeros(len(kept), dtype=torch.long)
    whole = None if regions.whole is None else regions.whole[same]
    batch = Regions(features, regions.mask.expand(len(kept), -1), regions.layout.select(same), whole)
    words = torch.tensor(target.words, device=features.device).expand(len(kept), -1)
    log_probs = last_log_probs(model, batch, words).cpu().double().unflatten(0, (len(maps), 2, len(FRACTIONS)))
    fractions = (counts / num_regions).cpu().double()
    return {
        name: Curve(target.photo, deletion, insertion, fractions)
        for name, (deletion, insertion) in zip(maps, log_probs, strict=True)
    }


def curve_areas(curves: Sequence[Curve]) -> CurveAreas:
    """The areas under the curves of many words, with intervals over photos."""
    photos = [curve.photo for curve in curves]
    gains = [float(curve.insertion[-1] - curve.insertion[0]) for curve in curves]  # of the whole photo
    areas = {
        name: [float(torch.trapezoid(getattr(curve, name) - curve.insertion[0], curve.fractions)) for curve in curves]
        for name in ("deletion", "insertion")
    }
    if sum(gains) <= 0:
        return CurveAreas(len(curves), None, None, None)
    gaps = [insertion - deletion for insertion, deletion in zip(areas["insertion"], areas["deletion"], strict=True)]
    deletion, insertion, gap = (
        ratio_interval(photos, values, gains) for values in (areas["deletion"], areas["insertion"], gaps)
    )
    return CurveAreas(len(curves), deletion, insertion, gap)


def _kept(weights: Tensor, mask: Tensor, counts: Tensor, order: Tensor) -> Tensor:
    """(2 F, R) boolean: the regions that remain when the largest are deleted, then those that have been inserted.

    Ties are broken by an order (R,) of the regions.
    """
    order = order.to(mask.device)
    in_order = weights.to(mask.device).masked_fill(~mask, -torch.inf)[order]
    largest_first = order[in_order.argsort(descending=True, stable=True)]
    rank = largest_first.argsort()  # (R,)
    return torch.cat([rank >= counts[:, None], rank < counts[:, None]])
