"""N-grams of one to four words, numbered and counted: the common ground of BLEU and CIDEr-D.

The number of an n-gram follows from the number of its first n - 1 words and its last word. One sorted array of such keys for each length is
a whole table, and looking up any number of captions takes four searches.

Shapes: P photos, C captions, W words of all captions together, E distinct pairs of a caption (or photo) and an n-gram.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy
from numpy import ndarray

from captioner.errors import UserError

Caption = str | Sequence[Hashable]
"""A text with spaces between its words, or its words: texts, or their numbers in a vocabulary."""
ReferencesOf = Mapping[Any, Sequence[Caption]]

LONGEST = 4
"""Words of the longest n-gram."""
_END = object()  # the end token, unlike any word


def words_of(caption: Caption) -> Sequence[Hashable]:
    return caption.split() if isinstance(caption, str) else caption


@dataclass(frozen=True)
class Layer:
    """N-grams with consecutive numbers from `first` on, shorter ones first."""

    words: Mapping[Hashable, int]
    keys: Sequence[
        ndarray
    ]  # for each length, sorted: the number of all words but the last, shifted by 32 bits, and the last word
    first: int = 0

    @property
    def starts(self) -> list[int]:
        """The first number of each length, and the number after the last."""
        return [self.first + sum(map(len, self.keys[:length])) for length in range(LONGEST + 1)]


@dataclass(frozen=True)
class Occurrences:
    """Every occurrence of an n-gram in some captions."""

    number: ndarray  # of the n-gram
    caption: ndarray  # index of the caption
    lengths: ndarray  # (C,) words of each caption
    new: Layer  # n-grams without a number so far; their numbers are valid for these captions only


class Numbering:
    """A number for every n-gram met so far, in layers that each extend the ones before."""

    def __init__(self, layers: Sequence[Layer] = ()):
        self.layers = layers
        self.size = layers[-1].starts[-1] if layers else 0

    def find(self, captions: Sequence[Sequence[Hashable]]) -> Occurrences:
        """Number every n-gram of the captions."""
        numbers, new_words = self._number_words(captions)
        lengths = numpy.fromiter(map(len, captions), dtype=numpy.int64, count=len(captions))
        all_words = map(numbers.__getitem__, chain.from_iterable(captions))
        words = numpy.fromiter(all_words, dtype=numpy.int64, count=int(lengths.sum()))
        caption = numpy.repeat(numpy.arange(len(captions)), lengths)
        left = lengths.cumsum()[caption] - numpy.arange(len(words))  # (W,) words from here to the caption's end
        start, number = numpy.arange(len(words)), numpy.zeros(len(words), dtype=numpy.int64)
        occurrences, new, first = [], [], self.size
        for length in range(LONGEST):
            long_enough = left[start] > length
            start, number = start[long_enough], number[long_enough]
            number, new_keys = self._look_up(number << 32 | words[start + length], length, first)
            occurrences.append((number, caption[start]))
            new.append(new_keys)
            first += len(new_keys)
        all_numbers, all_captions = (numpy.concatenate(parts) for parts in zip(*occurrences, strict=True))
        return Occurrences(all_numbers, all_captions, lengths, Layer(new_words, new, self.size))

    def _number_words(self, captions: Sequence[Sequence[Hashable]]) -> tuple[dict[Hashable, int], dict[Hashable, int]]:
        """The number of each word in the captions, and the words among them that are numbered for the first time."""
        numbers: dict[Hashable, int] = {_END: 0}
        new: dict[Hashable, int] = {}
        tables = [layer.words for layer in self.layers]
        first = 1 + sum(map(len, tables))
        for word in dict.fromkeys(chain.from_iterable(captions)):
            if word is not _END:
                number = next((words[word] for words in tables if word in words), None)
                numbers[word] = new.setdefault(word, first + len(new)) if number is None else number
        return numbers, new

    def _look_up(self, keys: ndarray, length: int, first: int) -> tuple[ndarray, ndarray]:
        """The number of each key, and the new keys, which are numbered from `first` on."""
        number, missing = numpy.empty_like(keys), numpy.arange(len(keys))
        for layer in self.layers:
            table = layer.keys[length]
            if len(table) and len(missing):
                index = numpy.searchsorted(table, keys[missing]).clip(max=len(table) - 1)
                hit = table[index] == keys[missing]
                number[missing[hit]] = layer.starts[length] + index[hit]
                missing = missing[~hit]
        new, index = numpy.unique(keys[missing], return_inverse=True)
        number[missing] = first + index
        return number, new

    def extended(self, occurrences: Occurrences) -> Numbering:
        """This numbering and the new n-grams of the occurrences, under the numbers they have there."""
        return Numbering([*self.layers, occurrences.new])

    def length_of(self, numbers: ndarray, new: Layer) -> ndarray:
        """The number of words of each n-gram, minus one."""
        starts = list(chain.from_iterable(layer.starts[:-1] for layer in [*self.layers, new]))
        return (numpy.searchsorted(starts, numbers, side="right") - 1) % LONGEST


@dataclass(frozen=True)
class Counts:
    """How often each n-gram occurs in each caption."""

    caption: ndarray  # (E,)
    number: ndarray  # (E,) of the n-gram
    length: ndarray  # (E,) words of the n-gram, minus one
    count: ndarray  # (E,)
    lengths: ndarray  # (C,) words of each caption


def count(numbering: Numbering, captions: Sequence[Sequence[Hashable]]) -> Counts:
    """Count n-grams, ordered by caption, then by n-gram. Numbers beyond the numbering's size are valid for these captions only."""
    occurrences = numbering.find(captions)
    size = occurrences.new.starts[-1]
    keys, counts = numpy.unique(occurrences.caption * size + occurrences.number, return_counts=True)
    caption, number = numpy.divmod(keys, max(size, 1))
    return Counts(caption, number, numbering.length_of(number, occurrences.new), counts, occurrences.lengths)


class CountedReferences:
    """Every photo's references, counted once, for comparison with any number of captions.

    Args:
        references: one or more for each photo.
        numbering: of n-grams numbered before.
        end_mark: whether the end of a caption counts as a word.
    """

    def __init__(self, references: ReferencesOf, numbering: Numbering | None = None, end_mark: bool = False):
        bare = [photo for photo, captions in references.items() if not captions]
        if bare or not references:
            raise UserError(
                f"every photo needs a reference, got {len(bare)} of {len(references)} photos without; leave these out"
            )
        self.index_of = {photo: index for index, photo in enumerate(references)}
        self.end_mark = end_mark
        self.num_references = numpy.array([len(captions) for captions in references.values()])  # (P,)
        self.first_reference = self.num_references.cumsum() - self.num_references  # (P,)
        captions = self.marked(list(chain.from_iterable(references.values())))
        occurrences = (numbering or Numbering()).find(captions)
        self.numbering = (numbering or Numbering()).extended(occurrences)
        self.counts = self._count(occurrences)

    def marked(self, captions: Sequence[Caption], ended: Sequence[bool] | None = None) -> list[Sequence[Hashable]]:
        """The captions' words, followed by the end token if it counts and the caption ended: all did, unless `ended` is given."""
        if not self.end_mark:
            return [words_of(caption) for caption in captions]
        ends = [True] * len(captions) if ended is None else ended
        return [
            [*words_of(caption), _END] if end else words_of(caption)
            for caption, end in zip(captions, ends, strict=True)
        ]

    def _count(self, occurrences: Occurrences) -> Counts:
        """Ordered by photo, n-gram and reference, so that the counts of an n-gram in a photo's references are adjacent."""
        photo_of = numpy.repeat(numpy.arange(len(self.num_references)), self.num_references)
        photo, most = photo_of[occurrences.caption], int(self.num_references.max())
        keys = (photo * self.numbering.size + occurrences.number) * most
        keys, counts = numpy.unique(keys + occurrences.caption - self.first_reference[photo], return_counts=True)
        keys, reference = numpy.divmod(keys, most)
        new = numpy.diff(keys, prepend=-1) != 0
        self.pairs = numpy.append(keys[new], numpy.iinfo(keys.dtype).max)  # photo and n-gram in one number, sorted
        self.starts = numpy.append(numpy.flatnonzero(new), len(keys))  # where a pair's references begin in `counts`
        photo, number = numpy.divmod(keys, max(self.numbering.size, 1))
        length = self.numbering.length_of(number, Layer({}, [], self.numbering.size))
        return Counts(self.first_reference[photo] + reference, number, length, counts, occurrences.lengths)

    def photos_with(self) -> ndarray:
        """The number of photos whose references contain each n-gram, by the n-gram's number."""
        return numpy.bincount(self.pairs[:-1] % max(self.numbering.size, 1), minlength=self.numbering.size)

    def indices(self, photos: Sequence[Hashable]) -> ndarray:
        """The photos' indices among the references."""
        unknown = [photo for photo in photos if photo not in self.index_of]
        if unknown:
            raise UserError(
                f"every caption needs its photo's references, {len(unknown)} of {len(photos)} have none (first: {unknown[0]!r}); "
                "give the references of the photos that were captioned (ids keep their type: 7 is not '7')"
            )
        return numpy.array([self.index_of[photo] for photo in photos], dtype=numpy.int64)

    def count(self, captions: Sequence[Caption], ended: Sequence[bool] | None = None) -> Counts:
        return count(self.numbering, self.marked(captions, ended))

    def meet(self, counts: Counts, photos: ndarray) -> tuple[ndarray, ndarray]:
        """The counts whose n-gram occurs in the references of the caption's photo, and the index of that pair in `pairs`."""
        entries = numpy.flatnonzero(counts.number < self.numbering.size)
        keys = photos[counts.caption[entries]] * self.numbering.size + counts.number[entries]
        index = numpy.searchsorted(self.pairs, keys)
        hit = self.pairs[index] == keys
        return entries[hit], index[hit]


def spread(starts: ndarray, sizes: ndarray) -> tuple[ndarray, ndarray]:
    """Every index of the runs that begin at `starts` and have these sizes, and the run that each belongs to."""
    run = numpy.repeat(numpy.arange(len(sizes)), sizes)
    return numpy.arange(len(run)) - (sizes.cumsum() - sizes)[run] + starts[run], run
