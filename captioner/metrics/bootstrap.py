"""How far a difference of scores would swing if other photos of the same kind had been scored.

Shapes: n photos.
"""

from __future__ import annotations

from collections.abc import Sequence

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
