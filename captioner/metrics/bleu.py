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


def bleu(references: CountedReferences, counts: Counts, places: ndarray) -> tuple[ndarray, ndarray]:
    """(4,) BLEU-1 to BLEU-4 of all captions together, and (4, n) of each; 0 to 1.

    Args:
        references: of every photo.
        counts: of the captions.
        places: (n,) where each caption's photo stands among the references.
    """
    right = _right(references, counts, places)
    every = (counts.lengths - numpy.arange(LONGEST)[:, None]).clip(min=0)  # (4, n)
    nearest = _nearest_length(references, counts.lengths, places)
    together = _bleu(right.sum(1), every.sum(1), counts.lengths.sum(), nearest.sum())
    return together, _bleu(right, every, counts.lengths, nearest)


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


def _bleu(right: ndarray, every: ndarray, length: ndarray, nearest: ndarray) -> ndarray:
    products = numpy.cumprod((right + TINY) / (every + SMALL), axis=0)
    roots = 1 / numpy.arange(1, LONGEST + 1).reshape(-1, *[1] * (right.ndim - 1))
    ratio = (length + TINY) / (nearest + SMALL)
    return products**roots * numpy.exp(numpy.minimum(0.0, 1 - 1 / ratio))
