r"""How varied captions are, and what is plainly wrong with them.

`variety` looks at every caption on its own; `diversity_scores` compares several captions of each photo with one another.

Shapes: m captions of one photo.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.bleu import NUMBERS, bleu_numbers, bleu_of
from captioner.metrics.bootstrap import Tally
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.scores import word_rule
from captioner.metrics.sequences import LONGEST, CountedReferences, count
from captioner.metrics.units import MEAN_LENGTH, WORDS_USED
from captioner.text.endings import BAD_ENDINGS

REPEATED = 3
"""Words of the shortest sequence that no caption should hold twice."""

Given = Mapping[Any, str | Sequence[str]]
"""One caption for each photo, or several."""


def variety(
    captions: Given, train_references: Mapping[Any, Sequence[str]] | None = None, tokens: str = "simple"
) -> dict[str, float]:
    """Shares of all captions, 0 to 1, and two numbers of words, by name.

    Args:
        captions: one or more for each photo; every caption counts once.
        train_references: adds the share that stands nowhere, word for word, among the training captions.
        tokens: the rule that cuts captions into words.

    Returns:
        words used: different words in all captions;
        mean length: words of a caption;
        repeats a word: the share of captions with the same word twice in a row;
        repeats 3 words: the share with the same three words in a row in two places;
        bad ending: the share whose last word is one of `BAD_ENDINGS`;
        novel: the share not in training, where training captions are given; compared without punctuation under `ptb` too.
    """
    known = None if train_references is None else known_captions(train_references, tokens)
    each = variety_each(captions, tokens, known)
    if not each[MEAN_LENGTH]:
        raise UserError("the variety of captions needs at least one caption, got none")
    means = {name: sum(values) / len(values) for name, values in each.items()}
    return {WORDS_USED: float(words_used(captions, tokens))} | means


def words_used(captions: Given, tokens: str = "simple") -> int:
    """Different words in all captions."""
    return len({word for of_photo in _cut(captions, tokens).values() for words in of_photo for word in words})


def variety_each(
    captions: Given, tokens: str = "simple", known: Collection[tuple[str, ...]] | None = None
) -> dict[str, list[float]]:
    """What `variety` says of every caption; `known` are `known_captions` of training."""
    every = [words for of_photo in _cut(captions, tokens).values() for words in of_photo]
    found = {
        MEAN_LENGTH: [float(len(words)) for words in every],
        "repeats a word": [float(any(one == other for one, other in pairwise(words))) for words in every],
        f"repeats {REPEATED} words": [float(_repeats(words)) for words in every],
        "bad ending": [float(bool(words) and words[-1] in BAD_ENDINGS) for words in every],
    }
    if known is not None:
        written = [words for of_photo in _cut(captions, _bare(tokens)).values() for words in of_photo]
        found["novel"] = [float(tuple(words) not in known) for words in written]
    return found


def known_captions(train_references: Mapping[Any, Sequence[str]], tokens: str = "simple") -> set[tuple[str, ...]]:
    """The training captions, to look up whether a caption is one of them."""
    return {tuple(words) for of_photo in _cut(train_references, _bare(tokens)).values() for words in of_photo}


def _bare(tokens: str) -> str:
    """The rule by which a caption is a copy: a hyphen that the training caption had and the copy lost makes nothing new."""
    return "simple" if tokens == "ptb" else tokens


def diversity_scores(
    captions: Mapping[Any, Sequence[str]],
    frequencies: DocumentFrequencies,
    tokens: str = "simple",
) -> dict[str, float]:
    r"""How much the captions of one photo differ, the mean over photos, 0 to 1.

    distinct-n is the number of different sequences of n words over the number of words, of all captions of a photo.
    mBLEU-4 is the BLEU-4 of each caption against the photo's others: smaller where they differ more.
    self-CIDEr is $-\log_m r$ with $r = \sqrt{\lambda_1} / \sum_i \sqrt{\lambda_i}$, of the eigenvalues, largest first, of the CIDEr of all
    pairs: 0 where all captions are the same, 1 where no two share a word sequence.

    Source: self-CIDEr: Wang and Chan 2019; the others: Shetty et al. 2017 and Aneja et al. 2019, as ImageCaptioning.pytorch computes them.
    Differs: captions that all lack words count 0 in self-CIDEr, where the formula has no value.

    Args:
        captions: two or more for each photo.
        frequencies: of the references that words are weighed by: those of the same split, say.
        tokens: the rule that cuts captions into words.
    """
    found = diversity_tallies(captions, frequencies, tokens)
    return {name: value for tally in found for name, value in tally.of_all().items()}


def diversity_tallies(
    captions: Mapping[Any, Sequence[str]], frequencies: DocumentFrequencies, tokens: str = "simple"
) -> list[Tally]:
    """What `diversity_scores` are made of, photo by photo."""
    cut = _cut(captions, tokens)
    few = [photo for photo, of_photo in cut.items() if len(of_photo) < 2]
    if few or not cut:
        raise UserError(
            f"diversity needs two captions of every photo, got {len(few)} of {len(cut)} photos with fewer; write more captions of each"
        )
    distinct = {f"distinct-{length}": [_distinct(of_photo, length) for of_photo in cut.values()] for length in (1, 2)}
    return [
        Tally.means(distinct),
        _mutual_bleu(cut),
        Tally.means({"self-CIDEr": self_cider(list(cut.values()), frequencies)}),
    ]


def self_cider(captions: Sequence[Sequence[Sequence[str]]], frequencies: DocumentFrequencies) -> list[float]:
    """0 to 1, for each photo, of its captions as lists of words; see `diversity_scores`."""
    found = []
    for similarities in cider_of_pairs(captions, frequencies):
        roots = numpy.sqrt(numpy.linalg.eigvalsh(similarities).clip(min=0))
        largest = roots[-1] / roots.sum() if roots.sum() > 0 else 1.0
        found.append(abs(math.log(min(1.0, largest))) / math.log(len(similarities)))
    return found


def cider_of_pairs(captions: Sequence[Sequence[Sequence[str]]], frequencies: DocumentFrequencies) -> list[ndarray]:
    """(m, m) for each photo: the mean cosine of two captions' weighed sequences over lengths 1 to 4.

    It is CIDEr / 10, without CIDEr-D's clipping and penalty, which would leave eigenvalues below 0.
    """
    counts = count(frequencies.numbering, list(chain.from_iterable(captions)))
    weights = counts.count * frequencies.rarity(counts.number)
    group = counts.caption * LONGEST + counts.length
    norms = numpy.sqrt(numpy.bincount(group, weights**2))[group]
    units = weights / numpy.where(norms > 0, norms, 1.0)
    found, first = [], 0
    for of_photo in captions:
        own = slice(*numpy.searchsorted(counts.caption, [first, first + len(of_photo)]))
        columns, column = numpy.unique(counts.number[own], return_inverse=True)
        vectors = numpy.zeros((len(of_photo), len(columns)))  # sequences of all lengths beside one another
        vectors[counts.caption[own] - first, column] = units[own]
        found.append(vectors @ vectors.T / LONGEST)
        first += len(of_photo)
    return found


def _distinct(of_photo: Sequence[Sequence[str]], length: int) -> float:
    different = {sequence for words in of_photo for sequence in _sequences(words, length)}
    return len(different) / max(1, sum(map(len, of_photo)))


def _mutual_bleu(cut: Mapping[Any, Sequence[Sequence[str]]]) -> Tally:
    """The mean over turns: in each, one caption of every photo against the photo's others."""
    num_turns = max(map(len, cut.values()))
    numbers = numpy.zeros((len(cut), num_turns, NUMBERS))
    for turn in range(num_turns):
        others = {
            place: [*of_photo[:turn], *of_photo[turn + 1 :]]
            for place, of_photo in enumerate(cut.values())
            if len(of_photo) > turn
        }
        references, captions = (
            CountedReferences(others),
            [of_photo[turn] for of_photo in cut.values() if len(of_photo) > turn],
        )
        numbers[list(others), turn] = bleu_numbers(
            references, references.count(captions), references.places(list(others))
        )

    def scores(sums: ndarray) -> dict[str, ndarray]:
        return {f"mBLEU-{LONGEST}": bleu_of(sums.reshape(*sums.shape[:-1], num_turns, NUMBERS))[-1].mean(-1)}

    return Tally(numbers.reshape(len(cut), -1), scores)


def _repeats(words: Sequence[str]) -> bool:
    found = _sequences(words, REPEATED)
    return len(set(found)) < len(found)


def _sequences(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


def _cut(captions: Given, tokens: str) -> dict[Any, list[list[str]]]:
    split = word_rule(tokens)
    return {
        photo: [split(text) for text in ([of_photo] if isinstance(of_photo, str) else of_photo)]
        for photo, of_photo in captions.items()
    }
