"""Bootstrap intervals of scores, and of differences of scores, over photos.

The score of many photos is a function of sums over them, so a resample costs one row of a matrix product: how often it drew each photo,
times that photo's statistics. Photos are drawn with replacement; intervals are percentile intervals.

Source: Koehn 2004.

Shapes: n photos, K resamples, S statistics of a photo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy import ndarray

RESAMPLES = 1000
SEED = 0
_ENDS = [2.5, 97.5]  # of a 95 % interval
_AT_ONCE = 1 << 22  # draws held in memory at the same time


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval over photos."""

    value: float
    low: float
    high: float
    photos: int  # photos that contributed; with only a few the interval is meaningless


@dataclass(frozen=True)
class Tally:
    """The statistics that each photo contributes to some scores, and the scores as a function of their sums.

    BLEU is computed from summed statistics and is not a mean over photos. CIDEr-D is a mean; its document frequencies come from all
    references and are the same in every resample.
    """

    numbers: ndarray  # (n, S)
    scores: Callable[[ndarray], Mapping[str, ndarray]]  # from sums (..., S) to (...) for each metric

    @classmethod
    def means(cls, values: Mapping[str, Sequence[float] | ndarray]) -> Tally:
        """For scores that are means over photos; `values` holds (n,) for each score."""
        numbers = numpy.array(list(values.values()), dtype=float).T
        return cls(numbers, lambda sums: dict(zip(values, numpy.moveaxis(sums, -1, 0) / len(numbers), strict=True)))

    def of_all(self) -> dict[str, float]:
        """The scores of all photos together."""
        return {name: float(value) for name, value in self.scores(self.numbers.sum(0)).items()}


def resampled(tallies: Sequence[Tally], num_resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, ndarray]:
    """(K,) for each score. One seed draws the same photos for every system, so differences of systems are paired."""
    sums = _resampled_sums(numpy.concatenate([tally.numbers for tally in tallies], axis=1), num_resamples, seed)
    ends = numpy.cumsum([tally.numbers.shape[1] for tally in tallies])
    parts = zip(tallies, numpy.split(sums, ends[:-1], axis=1), strict=True)
    return {name: values for tally, part in parts for name, values in tally.scores(part).items()}


def interval(values: ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval of resampled values (K,)."""
    low, high = numpy.percentile(values, _ENDS)
    return float(low), float(high)


def paired_interval(
    ours: Sequence[float], theirs: Sequence[float], num_resamples: int = 2 * RESAMPLES, seed: int = SEED
) -> tuple[float, float, float]:
    """The mean difference of two systems' scores on the same photos (n,), and the ends of its 95 % interval."""
    tally = Tally.means({"difference": numpy.asarray(ours, float) - numpy.asarray(theirs, float)})
    return tally.of_all()["difference"], *interval(resampled([tally], num_resamples, seed)["difference"])


def ratio_interval(
    photos: Sequence[int],
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
) -> Estimate | None:
    """The ratio of two sums over items, with its interval over photos, each drawn with all its items.

    Args:
        photos: the photo that each item belongs to.
        numerators: one for each item.
        denominators: one for each item; 1 by default, which makes the ratio a mean.

    Returns:
        None if the denominators sum to 0.
    """
    columns = [numerators, [1.0] * len(numerators) if denominators is None else denominators]
    drawn = _resampled_score(photos, columns, lambda sums: _ratio(sums[..., 0], sums[..., 1]))
    return drawn and Estimate(*drawn, len({*photos}))


def difference_interval(photos: Sequence[int], values: Sequence[float], chosen: Sequence[bool]) -> Estimate | None:
    """The mean of the chosen items minus the mean of the others, with its interval as in `ratio_interval`.

    Returns:
        None if all items are chosen, or none.
    """
    inside, outside = numpy.asarray(chosen, float), 1 - numpy.asarray(chosen, float)
    columns = [numpy.asarray(values) * inside, inside, numpy.asarray(values) * outside, outside]
    drawn = _resampled_score(
        photos, columns, lambda sums: _ratio(sums[..., 0], sums[..., 1]) - _ratio(sums[..., 2], sums[..., 3])
    )
    groups = [{photo for photo, item in zip(photos, chosen, strict=True) if item is side} for side in (True, False)]
    return drawn and Estimate(*drawn, min(map(len, groups)))


def _ratio(numerators: ndarray, denominators: ndarray) -> ndarray:
    """Quotients; NaN where the denominator is 0."""
    return numpy.divide(numerators, denominators, out=numpy.full_like(numerators, numpy.nan), where=denominators != 0)


def _resampled_score(
    photos: Sequence[int], columns: Sequence, score: Callable[[ndarray], ndarray]
) -> tuple[float, float, float] | None:
    """A score of sums over items, and the ends of its interval over the resamples in which it is defined."""
    if not len(photos):
        return None
    _, photo_indices = numpy.unique(numpy.asarray(photos), return_inverse=True)
    numbers = numpy.stack([numpy.bincount(photo_indices, numpy.asarray(column, float)) for column in columns], 1)
    tally = Tally(numbers, lambda sums: {"score": score(sums)})
    value, drawn = tally.of_all()["score"], resampled([tally])["score"]
    return None if numpy.isnan(value) else (value, *interval(drawn[~numpy.isnan(drawn)]))


def _resampled_sums(numbers: ndarray, num_resamples: int, seed: int) -> ndarray:
    """(K, S)."""
    num_photos, generator = len(numbers), numpy.random.default_rng(seed)
    at_once, sums = max(1, _AT_ONCE // num_photos), []
    for start in range(0, num_resamples, at_once):
        count = min(at_once, num_resamples - start)
        drawn = generator.integers(num_photos, size=(count, num_photos)) + num_photos * numpy.arange(count)[:, None]
        times = numpy.bincount(drawn.reshape(-1), minlength=count * num_photos).reshape(count, num_photos)
        sums.append(times.astype(float) @ numbers)
    return numpy.concatenate(sums)
