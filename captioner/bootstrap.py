"""How far a number would swing if other photos of the same kind had been measured.

Shapes: n photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy


def paired_interval(
    ours: Sequence[float], theirs: Sequence[float], num_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean difference of two systems' scores of the same photos (n,), and the ends of its 95 % interval.

    Photos are drawn with replacement, each with both its scores; the interval is the percentiles'. Source: Koehn 2004.
    """
    differences = numpy.asarray(ours, dtype=float) - numpy.asarray(theirs, dtype=float)
    generator = numpy.random.default_rng(seed)
    means = [
        differences[generator.integers(len(differences), size=len(differences))].mean() for _ in range(num_resamples)
    ]
    low, high = numpy.percentile(means, [2.5, 97.5])
    return float(differences.mean()), float(low), float(high)


@dataclass(frozen=True)
class Estimate:
    """A number, and the ends of its 95 % interval over photos."""

    value: float
    low: float
    high: float


def ratio_interval(
    photos: Sequence[int],
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Estimate | None:
    """The ratio of two sums over items, and its interval when photos are drawn with replacement, each with all its items.

    Args:
        photos: the photo that each item belongs to.
        numerators: one of each item.
        denominators: one of each item; 1 where none are given, which makes the ratio a mean.

    Returns:
        None where the denominators sum to 0.
    """
    values = numpy.asarray([numerators, numpy.ones(len(numerators)) if denominators is None else denominators], float)
    _, owners = numpy.unique(numpy.asarray(photos), return_inverse=True)
    sums = numpy.stack([numpy.bincount(owners, side) for side in values], 1) if len(owners) else numpy.zeros((1, 2))
    if sums[:, 1].sum() == 0:
        return None
    generator = numpy.random.default_rng(seed)
    drawn = numpy.concatenate([
        generator.multinomial(len(sums), numpy.full(len(sums), 1 / len(sums)), size=num_resamples // 10) @ sums
        for _ in range(10)
    ])  # (resamples, 2)
    drawn = drawn[drawn[:, 1] != 0]
    low, high = numpy.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return Estimate(float(sums[:, 0].sum() / sums[:, 1].sum()), float(low), float(high))
