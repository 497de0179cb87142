r"""BLEU-1 to BLEU-4, as coco-caption computes them.

$$\text{BLEU-}n = \min(1, e^{1 - r / c}) \prod_{k=1}^n p_k^{1/n}$$

p_k is the modified k-gram precision: the share of the caption's k-grams that occur in one of its references, each counted at most as often
as in the reference that has it most often. c is the caption's length, r that of the reference with the nearest length; of two equally near,
the shorter one.

Source: Papineni et al. 2002, section 2.1 (precision), 2.2.2 (brevity penalty) and 2.3, with uniform weights.
Differs: small constants avoid a division by 0 for captions without words or without k-grams. The score of many captions is computed from
their summed statistics; it is not the mean of their scores.

Shapes: n captions, C references.
"""

from __future__ import annotations

import numpy
from numpy import ndarray

from captioner.metrics.sequences import LONGEST, CountedReferences, Counts, spread

SMALL, TINY = 1e-9, 1e-15
"""coco-caption's constants, added to denominators and to numerators."""
NUM_STATISTICS = 2 * LONGEST + 2
"""The number of statistics that BLEU needs of each caption."""


def bleu_statistics(references: CountedReferences, counts: Counts, photos: ndarray) -> ndarray:
    """(n, 10) for each caption: matching n-grams and all n-grams of each length, the caption's length and the nearest reference length.

    Args:
        references: of every photo.
        counts: of the captions.
        photos: (n,) index of each caption's photo among the references.
    """
    matches = _matches(references, counts, photos)
    totals = (counts.lengths - numpy.arange(LONGEST)[:, None]).clip(min=0)  # (4, n)
    nearest = _nearest_length(references, counts.lengths, photos)
    return numpy.vstack([matches, totals, counts.lengths, nearest]).T


def bleu_of(statistics: ndarray) -> ndarray:
    """(4, ...) BLEU-1 to BLEU-4 of statistics (..., 10) or of their sums."""
    matches, totals, lengths = numpy.split(numpy.moveaxis(statistics, -1, 0), [LONGEST, 2 * LONGEST])
    products = numpy.cumprod((matches + TINY) / (totals + SMALL), axis=0)
    roots = 1 / numpy.arange(1, LONGEST + 1).reshape(-1, *[1] * (matches.ndim - 1))
    ratio = (lengths[0] + TINY) / (lengths[1] + SMALL)
    return products**roots * numpy.exp(numpy.minimum(0.0, 1 - 1 / ratio))


def _matches(references: CountedReferences, counts: Counts, photos: ndarray) -> ndarray:
    """(4, n) clipped counts: the n-grams of each length that occur in the references, at most as often as there."""
    entries, pairs = references.meet(counts, photos)
    matches = numpy.zeros((LONGEST, len(photos)))
    if len(entries):
        largest = numpy.maximum.reduceat(references.counts.count, references.starts[:-1])[pairs]
        clipped = numpy.minimum(counts.count[entries], largest)
        numpy.add.at(matches, (counts.length[entries], counts.caption[entries]), clipped)
    return matches


def _nearest_length(references: CountedReferences, lengths: ndarray, photos: ndarray) -> ndarray:
    """(n,) length of the reference whose length is nearest to the caption's; of two equally near, the shorter one."""
    num_references = references.num_references[photos]
    indices, caption = spread(references.first_reference[photos], num_references)
    length = references.counts.lengths[indices]
    order = numpy.abs(length - lengths[caption]) << 32 | length  # sorts by difference, then by length
    return numpy.minimum.reduceat(order, num_references.cumsum() - num_references) & 0xFFFFFFFF
