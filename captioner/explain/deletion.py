"""Is the map the reason? Regions are taken away from the photo, or given to it, in the order of a map, and one word is asked for.

A region that is taken away becomes the mean region of all photos, which says nothing of this one; of the same photo, the mean region that
some decoders read besides their maps changes with it. Source: deletion and insertion of Petsiuk et al. 2018 (RISE), on regions in place of
pixels and with log-probabilities. Only the order of a map counts, and photos without some regions are like none that were trained on
(Gomez et al. 2022): read the figures beside those of a random order.

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
"""Shares of a photo's regions that are taken away, or given: as fine at the end as at the beginning, so that a random order has no gap."""


@dataclass(frozen=True)
class Target:
    """A word of a caption, whose probability is asked for."""

    photo: int
    words: Sequence[int]  # numbers, from the start mark to the word itself


@dataclass(frozen=True)
class Curve:
    """The log-probability of a word, at each of `FRACTIONS`."""

    photo: int
    deletion: Tensor  # (F,) as regions are taken away
    insertion: Tensor  # (F,) as they are given
    fractions: Tensor  # (F,) of the regions, which are whole


@dataclass(frozen=True)
class Areas:
    """The areas under the curves of many words, as ratios of sums: 0 is a photo without regions, 1 the whole photo.

    None where the photo does not make the words likelier.
    """

    num_words: int
    deletion: Estimate | None  # low where the map ranks first what the word came from
    insertion: Estimate | None  # high there
    gap: Estimate | None  # insertion less deletion; over all orders 0, since an order's and its reverse's cancel


def last_log_probs(model: CaptionModel, regions: Regions, words: Tensor) -> Tensor:
    """(n,): of the last words of beginnings (n, T) of captions, one for each photo, given the words before."""
    memory = model.remember(regions)
    output, _ = model.decoder(words[:, None, :-1], memory, need_weights=False)
    logits = model.decoder.vocabulary_logits(output[:, 0, -1])  # (n, V)
    return logits.float().log_softmax(-1).gather(-1, words[:, -1:]).squeeze(-1)


@torch.no_grad()
def curves(
    model: CaptionModel, regions: Regions, target: Target, maps: Mapping[str, Tensor], empty: Tensor
) -> dict[str, Curve]:
    """A word's curves in the order of each map (R,), of the regions of its photo.

    Args:
        model: in evaluation mode.
        regions: of the word's photo alone.
        target: the word.
        maps: by their names; of regions that tie, the first comes first, so that a random order is a map of random numbers.
        empty: (D,) what stands for a region that was taken away.
    """
    num_regions = regions.mask[0].sum()
    counts = (torch.tensor(FRACTIONS, device=num_regions.device) * num_regions).round()  # (F,)
    kept = torch.cat([_kept(found, regions.mask[0], counts) for found in maps.values()])  # (maps x 2 x F, R)
    features = torch.where(kept[..., None], regions.features, empty.to(regions.features))
    many = Regions(
        features, regions.mask.expand(len(kept), -1), regions.layout.select(torch.zeros(len(kept), dtype=torch.long))
    )
    words = torch.tensor(target.words, device=features.device).expand(len(kept), -1)
    found = last_log_probs(model, many, words).cpu().double().unflatten(0, (len(maps), 2, len(FRACTIONS)))
    shares = (counts / num_regions).cpu().double()
    return {
        name: Curve(target.photo, deleted, given, shares) for name, (deleted, given) in zip(maps, found, strict=True)
    }


def areas(found: Sequence[Curve]) -> Areas:
    """What the curves of many words say together."""
    photos = [curve.photo for curve in found]
    worth = [float(curve.insertion[-1] - curve.insertion[0]) for curve in found]  # of the whole photo
    under = {
        name: [float(torch.trapezoid(getattr(curve, name) - curve.insertion[0], curve.fractions)) for curve in found]
        for name in ("deletion", "insertion")
    }
    if sum(worth) <= 0:
        return Areas(len(found), None, None, None)
    gaps = [high - low for high, low in zip(under["insertion"], under["deletion"], strict=True)]
    deletion, insertion, gap = (
        ratio_interval(photos, of, worth) for of in (under["deletion"], under["insertion"], gaps)
    )
    return Areas(len(found), deletion, insertion, gap)


def _kept(found: Tensor, mask: Tensor, counts: Tensor) -> Tensor:
    """(2 F, R) boolean: the regions that stay while those with the most weight are taken away, then those that are given."""
    rank = found.to(mask.device).masked_fill(~mask, -torch.inf).argsort(descending=True, stable=True).argsort()  # (R,)
    return torch.cat([rank >= counts[:, None], rank < counts[:, None]])
