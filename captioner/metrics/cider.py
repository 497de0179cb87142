r"""CIDEr-D, as coco-caption's class `Cider` computes it, for many captions at once.

$$10 \cdot \frac14 \sum_{n=1}^4 \frac1m \sum_j e^{-(l - l_j)^2 / 2\sigma^2} \frac{\min(g_n, g_n^j) \cdot g_n^j}{|g_n| |g_n^j|}$$

with $\sigma = 6$; g holds the TF-IDF weight of each n-gram: how often it occurs in the caption, times
$\log N - \log \max(1, \text{photos whose references contain it})$ for N photos.

Source: Vedantam, Zitnick and Parikh 2015, section 4, equations 1 to 3 (CIDEr), with the clipping and the length penalty of CIDEr-D.
Differs: the length l is the number of bigrams, so captions of no word and of one word count as equally long.

Shapes: B photos, Q captions of one photo, T words, n captions.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.sequences import LONGEST, Caption, CountedReferences, Counts, ReferencesOf, spread

SIGMA = 6.0
"""Standard deviation of the Gaussian over the difference of lengths, in bigrams."""
LARGEST = 10.0
"""The score of a copy of every reference."""


class CiderD:
    """CIDEr-D of captions against references that are counted once.

    As a reward of training, either count all training references once, or keep only their `DocumentFrequencies` and make a new
    scorer of each batch's references, which takes a few milliseconds and gives the same numbers.

    Args:
        references: one or more for each photo.
        frequencies: the document frequency of each n-gram; counted from `references` by default.
        end_mark: the end of a caption counts as a word. Without it, training on this score learns to end on "with a".
    """

    def __init__(
        self,
        references: ReferencesOf | CountedReferences,
        frequencies: DocumentFrequencies | None = None,
        end_mark: bool = False,
    ):
        if frequencies is not None and frequencies.end_mark != end_mark:
            raise UserError(
                f"end_mark should be as in the document frequencies, got {end_mark} and {frequencies.end_mark}; "
                "count the frequencies again, or change end_mark"
            )
        if not isinstance(references, CountedReferences):
            numbering = frequencies.numbering if frequencies else None
            references = CountedReferences(references, numbering, end_mark)
        self.references = references
        self.frequencies = frequencies or DocumentFrequencies.of(references)
        self._weights, norms = self._weigh(references.counts)
        self._units = self._weights / norms

    def __call__(self, candidates: Mapping[Any, Caption]) -> ndarray:
        """(n,) the score of each photo's caption, 0 to 10, in the candidates' order; their mean is the score of all."""
        return self.each(list(candidates), list(candidates.values()))

    def each(
        self, photos: Sequence[Hashable], captions: Sequence[Caption], ended: Sequence[bool] | None = None
    ) -> ndarray:
        """(n,) the score of each caption.

        Args:
            photos: n of them, the photo of each caption; a photo may occur many times.
            captions: n of them.
            ended: whether the model ended each caption itself, if the end token counts; all of them by default.
        """
        return self.of_counts(self.references.count(captions, ended), self.references.indices(photos))

    def of_counts(self, counts: Counts, photos: ndarray) -> ndarray:
        """(n,) the score of captions that were counted by the references, for the photos at these indices."""
        weights, norms = self._weigh(counts)
        entries, pairs = self.references.meet(counts, photos)
        starts = self.references.starts
        theirs, run = spread(starts[pairs], starts[pairs + 1] - starts[pairs])
        ours = entries[run]
        product = numpy.minimum(weights[ours], self._weights[theirs]) * self._units[theirs] / norms[ours]
        caption = counts.caption[ours]
        reference_lengths = self.references.counts.lengths[self.references.counts.caption[theirs]]
        difference = (reference_lengths - 1).clip(min=0) - (counts.lengths[caption] - 1).clip(min=0)
        product *= numpy.exp(-(difference**2) / (2 * SIGMA**2))
        total = numpy.bincount(caption, product, minlength=len(photos))
        return LARGEST / LONGEST * total / self.references.num_references[photos]

    def _weigh(self, counts: Counts) -> tuple[ndarray, ndarray]:
        """(E,) TF-IDF weight, and the norm of its caption's weights of this length; 1 in place of a norm of 0."""
        weights = counts.count * self.frequencies.rarity(counts.number)
        group = counts.caption * LONGEST + counts.length
        norms = numpy.sqrt(numpy.bincount(group, weights**2))
        return weights, numpy.where(norms > 0, norms, 1.0)[group]
