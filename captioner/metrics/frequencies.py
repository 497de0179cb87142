"""Document frequencies: in how many photos' references each n-gram occurs. CIDEr-D weighs n-grams by them.

Frequencies stored from the training references make it possible to score against a batch's references alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
from numpy import ndarray

from captioner.files import replacing
from captioner.metrics.sequences import LONGEST, CountedReferences, Layer, Numbering, ReferencesOf
from captioner.readers import parsing
from captioner.readers.arrays import read_arrays


@dataclass(frozen=True)
class DocumentFrequencies:
    """The number of photos, and the number of photos whose references contain each n-gram."""

    num_photos: int
    numbering: Numbering
    photos_with: ndarray  # by the n-gram's number; n-grams with larger numbers occur in no photo
    end_mark: bool = False  # whether the end of a caption counts as a word

    @classmethod
    def count(cls, references: ReferencesOf, end_mark: bool = False) -> DocumentFrequencies:
        """Count these references. N-grams of a single photo are left out: they weigh as much as unseen ones."""
        return cls.of(CountedReferences(references, end_mark=end_mark)).without_rarest()

    @classmethod
    def of(cls, references: CountedReferences) -> DocumentFrequencies:
        """Frequencies in references that were counted with a numbering of their own."""
        assert len(references.numbering.layers) == 1, "references with a numbering of their own"
        return cls(len(references.num_references), references.numbering, references.photos_with(), references.end_mark)

    def rarity(self, numbers: ndarray) -> ndarray:
        """Inverse document frequency: log(photos) - log(max(1, photos with the n-gram))."""
        return self._rarity[numpy.minimum(numbers, len(self.photos_with))]

    @cached_property
    def _rarity(self) -> ndarray:
        """By the n-gram's number; the last value is for n-grams that occur nowhere."""
        return math.log(self.num_photos) - numpy.log(numpy.maximum(numpy.append(self.photos_with, 0), 1.0))

    def without_rarest(self) -> DocumentFrequencies:
        """Without the n-grams of a single photo."""
        kept = self.photos_with > 1  # a kept n-gram's first words are kept too
        renumbered = kept.cumsum() - 1
        layer, keys = self.numbering.layers[0], []
        for length, all_keys in enumerate(layer.keys):
            own = all_keys[kept[layer.starts[length] : layer.starts[length + 1]]]
            keys.append(own if length == 0 else renumbered[own >> 32] << 32 | own & 0xFFFFFFFF)
        return DocumentFrequencies(
            self.num_photos, Numbering([Layer(layer.words, keys)]), self.photos_with[kept], self.end_mark
        )

    def save(self, path: Path) -> None:
        """Write an npz file, without pickle."""
        layer = self.numbering.layers[0]
        about = {"num_photos": self.num_photos, "end_mark": self.end_mark, "words": list(layer.words)}
        text = numpy.frombuffer(json.dumps(about).encode(), dtype=numpy.uint8)
        keys: dict[str, Any] = {f"keys_{length}": values for length, values in enumerate(layer.keys, start=1)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            numpy.savez_compressed(file, about=text, photos_with=self.photos_with, **keys)

    @classmethod
    def load(cls, path: Path) -> DocumentFrequencies:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file cannot be read.
        """
        advice = "delete it, and it is counted again"
        arrays = read_arrays(path, advice)
        with parsing(path, "document frequencies saved by this program", advice):
            about = json.loads(arrays["about"].tobytes())
            keys = [arrays[f"keys_{length}"] for length in range(1, LONGEST + 1)]
            words: dict[Hashable, int] = {word: number for number, word in enumerate(about["words"], start=1)}
            layer = Layer(words, keys)
            return cls(int(about["num_photos"]), Numbering([layer]), arrays["photos_with"], bool(about["end_mark"]))
