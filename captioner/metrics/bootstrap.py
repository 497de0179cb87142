"""How far scores, and differences of scores, would swing if other photos of the same kind had been scored.

A score of many photos is a function of sums over them, so that a resample costs one row of a matrix product: how often it drew each photo,
times what each photo adds. Photos are drawn with replacement; intervals are the percentiles'. Source: Koehn 2004.

Shapes: n photos, K resamples, S numbers of a photo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy import ndarray

RESAMPLES = 1000
SEED = 0
_ENDS = [2.5, 97.5]  # of a 95 % interval
_AT_ONCE = 1 << 22  # draws that are held in memory together


@dataclass(frozen=True)
class Tally:
    """What each photo adds to some scores, and how the sums over photos become these scores.

    BLEU of all photos is made of their sums and is no mean of scores; CIDEr-D is a mean, with the document frequencies of all references,
    which no resample changes.
    """

    numbers: ndarray  # (n, S)
    scores: Callable[[ndarray], Mapping[str, ndarray]]  # of sums (..., S), by metric (...)

    @classmethod
    def means(cls, each: Mapping[str, Sequence[float] | ndarray]) -> Tally:
        """Of scores that are the mean of every photo's."""
        numbers = numpy.array(list(each.values()), dtype=float).T
        return cls(numbers, lambda sums: dict(zip(each, numpy.moveaxis(sums, -1, 0) / len(numbers), strict=True)))

    def of_all(self) -> dict[str, float]:
        """The scores of all photos together."""
        return {name: float(value) for name, value in self.scores(self.numbers.sum(0)).items()}


def resampled(tallies: Sequence[Tally], num_resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, ndarray]:
    """(K,) of each score. One seed draws the same photos for every system, so that differences of systems are paired."""
    sums = _resampled_sums(numpy.concatenate([tally.numbers for tally in tallies], axis=1), num_resamples, seed)
    ends = numpy.cumsum([tally.numbers.shape[1] for tally in tallies])
    parts = zip(tallies, numpy.split(sums, ends[:-1], axis=1), strict=True)
    return {name: values for tally, part in parts for name, values in tally.scores(part).items()}


def interval(values: ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval of resampled values (K,)."""
    low, high = numpy.percentile(values, _ENDS)
    return float(low), float(high)


def paired_interval(
    ours: Sequence[float], theirs: Sequence[float], num_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean difference of two systems' scores of the same photos (n,), and the ends of its 95 % interval."""
    differences = numpy.asarray(ours, dtype=float) - numpy.asarray(theirs, dtype=float)
    generator = numpy.random.default_rng(seed)
    means = [
        differences[generator.integers(len(differences), size=len(differences))].mean() for _ in range(num_resamples)
    ]
    return float(differences.mean()), *interval(numpy.array(means))


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
