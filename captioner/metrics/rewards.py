"""Scores as rewards of training: of many captions of each photo, at every step.

Shapes: B photos, K captions of one photo, T words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy import ndarray

from captioner.metrics.bleu import bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.scores import word_rule


@dataclass(frozen=True)
class Rewards:
    """Rewards of captions as a decoder writes them, in numbers of its vocabulary. The end mark counts as a word.

    Each takes the places of B photos among the references, words (B, K, T), how many of them count (B, K), and whether the end mark
    followed (B, K); it returns (B, K).
    """

    scorer: CiderD
    vocabulary: Sequence[str]  # the word of each number

    @classmethod
    def of(
        cls,
        references: Sequence[Sequence[str]],
        vocabulary: Sequence[str],
        tokens: str,
        frequencies: DocumentFrequencies | None = None,
    ) -> Rewards:
        """Counted from the references of all training photos; by stored document frequencies where some are given."""
        split = word_rule(tokens)
        cut = {place: [split(text) for text in texts] for place, texts in enumerate(references)}
        return cls(CiderD(cut, frequencies, end_mark=True), vocabulary)

    def cider(self, photos: Sequence[int], words: ndarray, lengths: ndarray, ended: ndarray) -> ndarray:
        """CIDEr-D, 0 to 10."""
        return self.scorer.samples(photos, words, lengths, self.vocabulary, ended)

    def bleu(self, photos: Sequence[int], words: ndarray, lengths: ndarray, ended: ndarray) -> ndarray:
        """BLEU-4 of each caption alone, 0 to 1."""
        counted = self.scorer.references
        rows = zip(words.reshape(-1, words.shape[-1]).tolist(), lengths.reshape(-1).tolist(), strict=True)
        captions = [[self.vocabulary[number] for number in row[:length]] for row, length in rows]
        places = counted.places([photo for photo in photos for _ in range(lengths.shape[1])])
        _, each = bleu(counted, counted.count(captions, ended.reshape(-1).tolist()), places)
        return each[3].reshape(lengths.shape)
