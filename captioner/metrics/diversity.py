r"""How varied captions are, and what is plainly wrong with them.

`variety` looks at every caption on its own; `diversity_scores` compares several captions of each photo with one another.

Shapes: m captions of one photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy
from numpy import ndarray

from captioner.endings import BAD_ENDINGS
from captioner.errors import UserError
from captioner.metrics.bleu import bleu
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.scores import word_rule
from captioner.metrics.sequences import LONGEST, CountedReferences, count

AS_THEY_ARE = frozenset({"words used", "mean length"})
"""Numbers of words, not shares: tables print them as they are."""
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
        novel: the share not in training, where training captions are given.
    """
    every = [words for of_photo in _cut(captions, tokens).values() for words in of_photo]
    if not every:
        raise UserError("the variety of captions needs at least one caption, got none")
    found = {
        "words used": float(len({word for words in every for word in words})),
        "mean length": sum(map(len, every)) / len(every),
        "repeats a word": _share(any(one == other for one, other in pairwise(words)) for words in every),
        f"repeats {REPEATED} words": _share(_repeats(words) for words in every),
        "bad ending": _share(bool(words) and words[-1] in BAD_ENDINGS for words in every),
    }
    if train_references is not None:
        known = {tuple(words) for of_photo in _cut(train_references, tokens).values() for words in of_photo}
        found["novel"] = _share(tuple(words) not in known for words in every)
    return found


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
    cut = _cut(captions, tokens)
    few = [photo for photo, of_photo in cut.items() if len(of_photo) < 2]
    if few or not cut:
        raise UserError(
            f"diversity needs two captions of every photo, got {len(few)} of {len(cut)} photos with fewer; write more captions of each"
        )
    return {
        "distinct-1": _distinct(cut, 1),
        "distinct-2": _distinct(cut, 2),
        f"mBLEU-{LONGEST}": _mutual_bleu(cut),
        "self-CIDEr": sum(self_cider(list(cut.values()), frequencies)) / len(cut),
    }


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


def _distinct(cut: Mapping[Any, Sequence[Sequence[str]]], length: int) -> float:
    shares = []
    for of_photo in cut.values():
        different = {sequence for words in of_photo for sequence in _sequences(words, length)}
        shares.append(len(different) / max(1, sum(map(len, of_photo))))
    return sum(shares) / len(shares)


def _mutual_bleu(cut: Mapping[Any, Sequence[Sequence[str]]]) -> float:
    """The mean over turns: in each, one caption of every photo against the photo's others."""
    turns = []
    for turn in range(max(map(len, cut.values()))):
        in_turn = {photo: of_photo for photo, of_photo in cut.items() if len(of_photo) > turn}
        others = {photo: [*of_photo[:turn], *of_photo[turn + 1 :]] for photo, of_photo in in_turn.items()}
        references = CountedReferences(others)
        counts = references.count([of_photo[turn] for of_photo in in_turn.values()])
        turns.append(float(bleu(references, counts, references.places(list(in_turn)))[0][-1]))
    return sum(turns) / len(turns)


def _repeats(words: Sequence[str]) -> bool:
    found = _sequences(words, REPEATED)
    return len(set(found)) < len(found)


def _sequences(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


def _share(found: Iterable[bool]) -> float:
    every = list(found)
    return sum(every) / len(every)


def _cut(captions: Given, tokens: str) -> dict[Any, list[list[str]]]:
    split = word_rule(tokens)
    return {
        photo: [split(text) for text in ([of_photo] if isinstance(of_photo, str) else of_photo)]
        for photo, of_photo in captions.items()
    }
