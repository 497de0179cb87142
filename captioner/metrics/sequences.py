"""Word sequences of one to four words, numbered and counted: what BLEU and CIDEr-D both begin with.

A sequence's number comes from the number of all its words but the last, and its last word: one sorted array of such keys for each length
is a whole table, and looking captions up in it takes four searches, however many captions there are.

Shapes: P photos, C captions, W words of all captions together, E different pairs of a caption (or photo) and a sequence.
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
"""A text with spaces between its words, or its words: texts, or the numbers that a vocabulary gives them."""
ReferencesOf = Mapping[Any, Sequence[Caption]]

LONGEST = 4
"""Words of the longest sequence."""
_END = object()  # the end mark, unlike any word


def words_of(caption: Caption) -> Sequence[Hashable]:
    return caption.split() if isinstance(caption, str) else caption


@dataclass(frozen=True)
class Layer:
    """Sequences that are numbered one after another from `first` on, shorter ones first."""

    words: Mapping[Hashable, int]
    keys: Sequence[ndarray]  # for each length, sorted: the number of all words but the last, above 32 bits of the last
    first: int = 0

    @property
    def starts(self) -> list[int]:
        """The first number of each length, and one past the last."""
        return [self.first + sum(map(len, self.keys[:length])) for length in range(LONGEST + 1)]


@dataclass(frozen=True)
class Found:
    """Every sequence of some captions, in the place where it stands."""

    number: ndarray  # of the sequence
    caption: ndarray  # which caption it stands in
    lengths: ndarray  # (C,) words of each caption
    new: Layer  # the sequences without a number so far; their numbers hold for these captions alone


class Numbering:
    """A number for every sequence met so far, in layers of which each extends those before it."""

    def __init__(self, layers: Sequence[Layer] = ()):
        self.layers = layers
        self.size = layers[-1].starts[-1] if layers else 0

    def find(self, captions: Sequence[Sequence[Hashable]]) -> Found:
        numbers, new_words = self._number_words(captions)
        lengths = numpy.fromiter(map(len, captions), dtype=numpy.int64, count=len(captions))
        every_word = map(numbers.__getitem__, chain.from_iterable(captions))
        words = numpy.fromiter(every_word, dtype=numpy.int64, count=int(lengths.sum()))
        caption = numpy.repeat(numpy.arange(len(captions)), lengths)
        left = lengths.cumsum()[caption] - numpy.arange(len(words))  # (W,) words from here to the caption's end
        place, number = numpy.arange(len(words)), numpy.zeros(len(words), dtype=numpy.int64)
        found, new, first = [], [], self.size
        for length in range(LONGEST):
            going_on = left[place] > length
            place, number = place[going_on], number[going_on]
            number, fresh = self._look_up(number << 32 | words[place + length], length, first)
            found.append((number, caption[place]))
            new.append(fresh)
            first += len(fresh)
        stacked, captions_of = (numpy.concatenate(parts) for parts in zip(*found, strict=True))
        return Found(stacked, captions_of, lengths, Layer(new_words, new, self.size))

    def _number_words(self, captions: Sequence[Sequence[Hashable]]) -> tuple[dict[Hashable, int], dict[Hashable, int]]:
        """The number of each word in the captions; and of those that have none before, counting on."""
        numbers: dict[Hashable, int] = {_END: 0}
        new: dict[Hashable, int] = {}
        known = [layer.words for layer in self.layers]
        first = 1 + sum(map(len, known))
        for word in dict.fromkeys(chain.from_iterable(captions)):
            if word is not _END:
                number = next((words[word] for words in known if word in words), None)
                numbers[word] = new.setdefault(word, first + len(new)) if number is None else number
        return numbers, new

    def _look_up(self, keys: ndarray, length: int, first: int) -> tuple[ndarray, ndarray]:
        """The number of each key, and the keys that have none yet: those are numbered from `first` on."""
        number, missing = numpy.empty_like(keys), numpy.arange(len(keys))
        for layer in self.layers:
            known = layer.keys[length]
            if len(known) and len(missing):
                index = numpy.searchsorted(known, keys[missing]).clip(max=len(known) - 1)
                hit = known[index] == keys[missing]
                number[missing[hit]] = layer.starts[length] + index[hit]
                missing = missing[~hit]
        fresh, index = numpy.unique(keys[missing], return_inverse=True)
        number[missing] = first + index
        return number, fresh

    def extended(self, found: Found) -> Numbering:
        """With the new sequences that were found, under the numbers that they have there."""
        return Numbering([*self.layers, found.new])

    def length_of(self, numbers: ndarray, new: Layer) -> ndarray:
        """How many words each sequence has, less one."""
        starts = list(chain.from_iterable(layer.starts[:-1] for layer in [*self.layers, new]))
        return (numpy.searchsorted(starts, numbers, side="right") - 1) % LONGEST


@dataclass(frozen=True)
class Counts:
    """How often each sequence stands in each caption."""

    caption: ndarray  # (E,)
    number: ndarray  # (E,) of the sequence
    length: ndarray  # (E,) words of the sequence, less one
    count: ndarray  # (E,)
    lengths: ndarray  # (C,) words of each caption


def count(numbering: Numbering, captions: Sequence[Sequence[Hashable]]) -> Counts:
    """Ordered by caption, then by sequence. Numbers past the numbering's size hold for these captions alone."""
    found = numbering.find(captions)
    past = found.new.starts[-1]
    keys, counts = numpy.unique(found.caption * past + found.number, return_counts=True)
    caption, number = numpy.divmod(keys, max(past, 1))
    return Counts(caption, number, numbering.length_of(number, found.new), counts, found.lengths)


class CountedReferences:
    """Every photo's references, counted once, to compare any number of captions with.

    Args:
        references: one or more for each photo.
        numbering: of sequences known before, where there are some.
        end_mark: whether the end of a caption counts as a word.
    """

    def __init__(self, references: ReferencesOf, numbering: Numbering | None = None, end_mark: bool = False):
        bare = [photo for photo, captions in references.items() if not captions]
        if bare or not references:
            raise UserError(
                f"every photo needs a reference, got {len(bare)} of {len(references)} photos without; leave these out"
            )
        self.place_of = {photo: place for place, photo in enumerate(references)}
        self.end_mark = end_mark
        self.num_references = numpy.array([len(captions) for captions in references.values()])  # (P,)
        self.first_reference = self.num_references.cumsum() - self.num_references  # (P,)
        found = (numbering or Numbering()).find(self.marked(list(chain.from_iterable(references.values()))))
        self.numbering = (numbering or Numbering()).extended(found)
        self.counts = self._count(found)

    def marked(self, captions: Sequence[Caption], ended: Sequence[bool] | None = None) -> list[Sequence[Hashable]]:
        """The captions' words; where the end mark counts, it stands behind those that ended: all, unless told."""
        if not self.end_mark:
            return [words_of(caption) for caption in captions]
        given = [True] * len(captions) if ended is None else ended
        return [
            [*words_of(caption), _END] if end else words_of(caption)
            for caption, end in zip(captions, given, strict=True)
        ]

    def _count(self, found: Found) -> Counts:
        """Ordered by photo, sequence and reference, so that what a photo's references say of a sequence stands together."""
        photo_of = numpy.repeat(numpy.arange(len(self.num_references)), self.num_references)
        photo, most = photo_of[found.caption], int(self.num_references.max())
        keys = (photo * self.numbering.size + found.number) * most + found.caption - self.first_reference[photo]
        keys, counts = numpy.unique(keys, return_counts=True)
        keys, reference = numpy.divmod(keys, most)
        new = numpy.diff(keys, prepend=-1) != 0
        self.pairs = numpy.append(keys[new], numpy.iinfo(keys.dtype).max)  # photo and sequence in one number, sorted
        self.starts = numpy.append(numpy.flatnonzero(new), len(keys))  # where a pair's references begin in `counts`
        photo, number = numpy.divmod(keys, max(self.numbering.size, 1))
        length = self.numbering.length_of(number, Layer({}, [], self.numbering.size))
        return Counts(self.first_reference[photo] + reference, number, length, counts, found.lengths)

    def photos_with(self) -> ndarray:
        """In how many photos' references each sequence stands, by its number."""
        return numpy.bincount(self.pairs[:-1] % max(self.numbering.size, 1), minlength=self.numbering.size)

    def places(self, photos: Sequence[Hashable]) -> ndarray:
        """Where the photos stand among the references."""
        unknown = [photo for photo in photos if photo not in self.place_of]
        if unknown:
            raise UserError(
                f"every caption needs its photo's references, {len(unknown)} of {len(photos)} have none (first: {unknown[0]!r}); "
                "give the references of the photos that were captioned (ids are compared as they are: 7 is not '7')"
            )
        return numpy.array([self.place_of[photo] for photo in photos], dtype=numpy.int64)

    def count(self, captions: Sequence[Caption], ended: Sequence[bool] | None = None) -> Counts:
        return count(self.numbering, self.marked(captions, ended))

    def meet(self, counts: Counts, places: ndarray) -> tuple[ndarray, ndarray]:
        """Which of the counts are of sequences in the references of the caption's photo, and the place of that pair in `pairs`."""
        entries = numpy.flatnonzero(counts.number < self.numbering.size)
        keys = places[counts.caption[entries]] * self.numbering.size + counts.number[entries]
        index = numpy.searchsorted(self.pairs, keys)
        hit = self.pairs[index] == keys
        return entries[hit], index[hit]


def spread(starts: ndarray, sizes: ndarray) -> tuple[ndarray, ndarray]:
    """Every index of the runs that begin at `starts` and have these sizes, and which run each belongs to."""
    run = numpy.repeat(numpy.arange(len(sizes)), sizes)
    return numpy.arange(len(run)) - (sizes.cumsum() - sizes)[run] + starts[run], run
