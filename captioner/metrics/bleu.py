r"""BLEU-1 to BLEU-4 (Papineni et al. 2002), as coco-caption computes them.

$$\text{BLEU-}n = \min(1, e^{1 - r / c}) \prod_{k=1}^n p_k^{1/n}$$

p_k is the share of a caption's sequences of k words that stand in one of its references, each counted at most as often as in the
reference that has it most often; c the caption's words, r those of the reference whose length is nearest, of two the shorter one.

Differs from the paper: small constants keep a caption without words, or without a sequence of k words, from dividing by 0. A score of many
captions is that of their sums, not the mean of their scores.

Shapes: n captions, C references.
"""

from __future__ import annotations

import numpy
from numpy import ndarray

from captioner.metrics.sequences import LONGEST, CountedReferences, Counts, spread

SMALL, TINY = 1e-9, 1e-15
"""coco-caption's: added to denominators and to numerators."""
NUMBERS = 2 * LONGEST + 2
"""What BLEU is made of, for each caption."""


def bleu(references: CountedReferences, counts: Counts, places: ndarray) -> tuple[ndarray, ndarray]:
    """(4,) BLEU-1 to BLEU-4 of all captions together, and (4, n) of each; 0 to 1. See `bleu_numbers`."""
    numbers = bleu_numbers(references, counts, places)
    return bleu_of(numbers.sum(0)), bleu_of(numbers)


def bleu_numbers(references: CountedReferences, counts: Counts, places: ndarray) -> ndarray:
    """(n, 10) what each caption adds: its right sequences and all its sequences, of each length; its own and the nearest length.

    Args:
        references: of every photo.
        counts: of the captions.
        places: (n,) where each caption's photo stands among the references.
    """
    right = _right(references, counts, places)
    every = (counts.lengths - numpy.arange(LONGEST)[:, None]).clip(min=0)  # (4, n)
    nearest = _nearest_length(references, counts.lengths, places)
    return numpy.vstack([right, every, counts.lengths, nearest]).T


def bleu_of(numbers: ndarray) -> ndarray:
    """(4, ...) BLEU-1 to BLEU-4 of such numbers (..., 10), or of their sums."""
    right, every, lengths = numpy.split(numpy.moveaxis(numbers, -1, 0), [LONGEST, 2 * LONGEST])
    products = numpy.cumprod((right + TINY) / (every + SMALL), axis=0)
    roots = 1 / numpy.arange(1, LONGEST + 1).reshape(-1, *[1] * (right.ndim - 1))
    ratio = (lengths[0] + TINY) / (lengths[1] + SMALL)
    return products**roots * numpy.exp(numpy.minimum(0.0, 1 - 1 / ratio))


def _right(references: CountedReferences, counts: Counts, places: ndarray) -> ndarray:
    """(4, n) how many sequences of each length stand in the references, as often as they do there."""
    entries, pairs = references.meet(counts, places)
    right = numpy.zeros((LONGEST, len(places)))
    if len(entries):
        most = numpy.maximum.reduceat(references.counts.count, references.starts[:-1])[pairs]
        both = numpy.minimum(counts.count[entries], most)
        numpy.add.at(right, (counts.length[entries], counts.caption[entries]), both)
    return right


def _nearest_length(references: CountedReferences, lengths: ndarray, places: ndarray) -> ndarray:
    """(n,) the length of each caption's reference that is nearest to its own; of two the shorter one."""
    num_references = references.num_references[places]
    theirs, caption = spread(references.first_reference[places], num_references)
    length = references.counts.lengths[theirs]
    order = numpy.abs(length - lengths[caption]) << 32 | length  # the difference decides, then the length
    return numpy.minimum.reduceat(order, num_references.cumsum() - num_references) & 0xFFFFFFFF
