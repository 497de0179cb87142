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
    photos: int  # that had a say; of a handful the interval means nothing


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
    ones = [1.0] * len(numerators)
    sums, drawn = _resampled(photos, [numerators, ones if denominators is None else denominators], num_resamples, seed)
    if sums[1] == 0:
        return None
    return _estimate(sums[0] / sums[1], drawn[:, 0], drawn[:, 1], len({*photos}))


def difference_interval(
    photos: Sequence[int],
    values: Sequence[float],
    chosen: Sequence[bool],
    num_resamples: int = 2000,
    seed: int = 0,
) -> Estimate | None:
    """How much larger the mean of the chosen items is than that of the others, and its interval as in `ratio_interval`.

    None where all items are chosen, or none.
    """
    ones, others = numpy.asarray(chosen, float), 1 - numpy.asarray(chosen, float)
    columns = [numpy.asarray(values) * ones, ones, numpy.asarray(values) * others, others]
    sums, drawn = _resampled(photos, columns, num_resamples, seed)
    if sums[1] == 0 or sums[3] == 0:
        return None
    both = drawn[:, 1] * drawn[:, 3]
    value, over_both = sums[0] / sums[1] - sums[2] / sums[3], drawn[:, 0] * drawn[:, 3] - drawn[:, 2] * drawn[:, 1]
    of_group = [{photo for photo, one in zip(photos, chosen, strict=True) if one is kind} for kind in (True, False)]
    return _estimate(value, over_both, both, min(map(len, of_group)))


def _estimate(value: float, numerators: numpy.ndarray, denominators: numpy.ndarray, photos: int) -> Estimate:
    """Of the ratios of all resamples that have one."""
    there = denominators != 0
    low, high = numpy.percentile(numerators[there] / denominators[there], [2.5, 97.5])
    return Estimate(float(value), float(low), float(high), photos)


def _resampled(
    photos: Sequence[int], columns: Sequence, num_resamples: int, seed: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The sums of some columns over all items (columns,), and over those of photos drawn with replacement (resamples, columns)."""
    if not len(photos):
        return numpy.zeros(len(columns)), numpy.zeros((1, len(columns)))
    _, owners = numpy.unique(numpy.asarray(photos), return_inverse=True)
    sums = numpy.stack([numpy.bincount(owners, numpy.asarray(column, float)) for column in columns], 1)
    generator, share = numpy.random.default_rng(seed), numpy.full(len(sums), 1 / len(sums))
    drawn = [generator.multinomial(len(sums), share) @ sums for _ in range(num_resamples)]
    return sums.sum(0), numpy.stack(drawn)
