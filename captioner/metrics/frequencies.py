"""In how many photos' references a word sequence stands: what CIDEr-D weighs sequences by.

Stored from the training references, they let a batch's references be scored on their own.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.files import replacing
from captioner.metrics.sequences import LONGEST, CountedReferences, Layer, Numbering, ReferencesOf


@dataclass(frozen=True)
class DocumentFrequencies:
    """How many photos there are, and in how many of them each sequence stands."""

    num_photos: int
    numbering: Numbering
    photos_with: ndarray  # by a sequence's number; sequences with larger numbers stand in none
    end_mark: bool = False  # whether the end of a caption counts as a word

    @classmethod
    def count(cls, references: ReferencesOf, end_mark: bool = False) -> DocumentFrequencies:
        """Of these references, less the sequences of one photo: they weigh as much as those of none."""
        return cls.of(CountedReferences(references, end_mark=end_mark)).less_the_rarest()

    @classmethod
    def of(cls, references: CountedReferences) -> DocumentFrequencies:
        assert len(references.numbering.layers) == 1, "references with a numbering of their own"
        return cls(len(references.num_references), references.numbering, references.photos_with(), references.end_mark)

    def rarity(self, numbers: ndarray) -> ndarray:
        """log(photos) - log(photos with the sequence), which is taken to be 1 at least."""
        return self._rarity[numpy.minimum(numbers, len(self.photos_with))]

    @cached_property
    def _rarity(self) -> ndarray:
        """By a sequence's number; the last is that of a sequence that stands nowhere."""
        return math.log(self.num_photos) - numpy.log(numpy.maximum(numpy.append(self.photos_with, 0), 1.0))

    def less_the_rarest(self) -> DocumentFrequencies:
        kept = self.photos_with > 1  # what a kept sequence begins with is kept too
        renumbered = kept.cumsum() - 1
        layer, keys = self.numbering.layers[0], []
        for length, old in enumerate(layer.keys):
            old = old[kept[layer.starts[length] : layer.starts[length + 1]]]
            keys.append(old if length == 0 else renumbered[old >> 32] << 32 | old & 0xFFFFFFFF)
        return DocumentFrequencies(
            self.num_photos, Numbering([Layer(layer.words, keys)]), self.photos_with[kept], self.end_mark
        )

    def save(self, path: Path) -> None:
        """As npz, without pickle."""
        layer = self.numbering.layers[0]
        about = {"num_photos": self.num_photos, "end_mark": self.end_mark, "words": list(layer.words)}
        text = numpy.frombuffer(json.dumps(about).encode(), dtype=numpy.uint8)
        keys: dict[str, Any] = {f"keys_{length}": found for length, found in enumerate(layer.keys, start=1)}
        with replacing(path) as beside, beside.open("wb") as file:
            numpy.savez_compressed(file, about=text, photos_with=self.photos_with, **keys)

    @classmethod
    def load(cls, path: Path) -> DocumentFrequencies:
        try:
            with numpy.load(path, allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                keys = [stored[f"keys_{length}"] for length in range(1, LONGEST + 1)]
                photos_with = stored["photos_with"]
            words = {word: number for number, word in enumerate(about["words"], start=1)}
            return cls(about["num_photos"], Numbering([Layer(words, keys)]), photos_with, about["end_mark"])
        except (BadZipFile, EOFError, KeyError, TypeError, ValueError, OSError) as error:
            raise UserError(
                f"{path} should hold document frequencies saved by this program, but reading it failed ({error}); count them again"
            ) from error
