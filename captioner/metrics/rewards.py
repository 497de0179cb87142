"""Scores as rewards of self-critical training, for many captions of each photo at every step.

Shapes: B photos, K captions of one photo, T words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy import ndarray

from captioner.metrics.bleu import bleu_of, bleu_statistics
from captioner.metrics.cider import CiderD
from captioner.metrics.coco_scores import word_rule
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.sequences import Counts


@dataclass(frozen=True)
class Rewards:
    """Rewards of captions given as numbers of the decoder's vocabulary. The end token counts as a word.

    Every reward takes the indices of B photos among the references, words (B, K, T), their number (B, K), and whether the end token
    followed (B, K). It returns (B, K).
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
        """Count the references of all training photos, unless stored document frequencies are given."""
        split = word_rule(tokens)
        tokenised = {index: [split(text) for text in texts] for index, texts in enumerate(references)}
        return cls(CiderD(tokenised, frequencies, end_mark=True), vocabulary)

    @classmethod
    def kept(
        cls, path: Path, references: Sequence[Sequence[str]], vocabulary: Sequence[str], tokens: str, keep: bool
    ) -> Rewards:
        """With the document frequencies of a file if it exists; if not, `keep` writes it."""
        frequencies = DocumentFrequencies.load(path) if path.exists() else None
        made = cls.of(references, vocabulary, tokens, frequencies)
        if frequencies is None and keep:
            made.scorer.frequencies.without_rarest().save(path)
        return made

    def by_name(self) -> dict[str, Callable[[Sequence[int], ndarray, ndarray, ndarray], ndarray]]:
        """Every reward by the name of its weight in `objective`."""
        return {"cider": self.cider, "bleu": self.bleu}

    def cider(self, photos: Sequence[int], words: ndarray, lengths: ndarray, ended: ndarray) -> ndarray:
        """CIDEr-D of each caption, 0 to 10."""
        return self.scorer.of_counts(*self._count(photos, words, lengths, ended)).reshape(lengths.shape)

    def bleu(self, photos: Sequence[int], words: ndarray, lengths: ndarray, ended: ndarray) -> ndarray:
        """BLEU-4 of each caption by itself, 0 to 1."""
        statistics = bleu_statistics(self.scorer.references, *self._count(photos, words, lengths, ended))
        return bleu_of(statistics)[3].reshape(lengths.shape)

    def _count(self, photos: Sequence[int], words: ndarray, lengths: ndarray, ended: ndarray) -> tuple[Counts, ndarray]:
        """The captions' n-grams, and the index of each caption's photo among the references."""
        rows = zip(words.reshape(lengths.size, -1).tolist(), lengths.reshape(-1).tolist(), strict=True)
        captions = [[self.vocabulary[number] for number in row[:length]] for row, length in rows]
        references, repeated = self.scorer.references, [photo for photo in photos for _ in range(lengths.shape[1])]
        return references.count(captions, ended.reshape(-1).tolist()), references.indices(repeated)
