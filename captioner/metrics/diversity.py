"""How varied captions are, and how often they have obvious faults.

`variety` measures every caption by itself; `diversity_scores` compares the captions of one photo with each other.

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
from captioner.metrics.bleu import NUM_STATISTICS, bleu_of, bleu_statistics
from captioner.metrics.bootstrap import Tally
from captioner.metrics.coco_scores import word_rule
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.sequences import LONGEST, CountedReferences, count
from captioner.metrics.units import MEAN_LENGTH, WORDS_USED
from captioner.text.endings import BAD_ENDINGS

REPEATED = 3
"""The shortest n-gram that no caption should contain twice."""

OneOrMore = Mapping[Any, str | Sequence[str]]
"""One caption for each photo, or several."""


def variety(
    captions: OneOrMore, train_references: Mapping[Any, Sequence[str]] | None = None, tokens: str = "simple"
) -> dict[str, float]:
    """Measure faults and novelty as shares of all captions, 0 to 1, with two counts of words.

    Args:
        captions: one or more for each photo; every caption counts once.
        train_references: training captions, for `novel`.
        tokens: the tokenisation rule.

    Returns:
        words used: distinct words in all captions;
        mean length: words in a caption;
        repeats a word: the share of captions with the same word twice in a row;
        repeats 3 words: the share that contain the same three words in a row twice;
        bad ending: the share whose last word is one of `BAD_ENDINGS`;
        novel: the share that is not a training caption, if those are given; punctuation is ignored, also under `ptb`.
    """
    in_training = None if train_references is None else train_captions(train_references, tokens)
    measured = variety_each(captions, tokens, in_training)
    if not measured[MEAN_LENGTH]:
        raise UserError("the variety of captions needs at least one caption, got none")
    means = {name: sum(values) / len(values) for name, values in measured.items()}
    return {WORDS_USED: float(words_used(captions, tokens))} | means


def words_used(captions: OneOrMore, tokens: str = "simple") -> int:
    """The number of distinct words in all captions."""
    return len({word for caption in _all_captions(captions, tokens) for word in caption})


def variety_each(
    captions: OneOrMore, tokens: str = "simple", in_training: Collection[tuple[str, ...]] | None = None
) -> dict[str, list[float]]:
    """The measures of `variety` for every caption; `in_training` is the result of `train_captions`."""
    all_captions = _all_captions(captions, tokens)
    measured = {
        MEAN_LENGTH: [float(len(words)) for words in all_captions],
        "repeats a word": [float(any(left == right for left, right in pairwise(words))) for words in all_captions],
        f"repeats {REPEATED} words": [float(_repeats(words)) for words in all_captions],
        "bad ending": [float(bool(words) and words[-1] in BAD_ENDINGS) for words in all_captions],
    }
    if in_training is not None:
        measured["novel"] = [float(tuple(words) not in in_training) for words in _all_captions(captions, _bare(tokens))]
    return measured


def train_captions(train_references: Mapping[Any, Sequence[str]], tokens: str = "simple") -> set[tuple[str, ...]]:
    """The training captions as tuples of words, to look captions up in."""
    return {tuple(words) for words in _all_captions(train_references, _bare(tokens))}


def _bare(tokens: str) -> str:
    """The rule for comparing captions with training captions: a lost hyphen does not make a copy a new caption."""
    return "simple" if tokens == "ptb" else tokens


def diversity_scores(
    captions: Mapping[Any, Sequence[str]],
    frequencies: DocumentFrequencies,
    tokens: str = "simple",
) -> dict[str, float]:
    r"""How much the captions of one photo differ, averaged over photos, 0 to 1.

    distinct-n is the number of distinct n-grams over the number of words, in all captions of a photo.
    mBLEU-4 is the BLEU-4 of each caption against the others of its photo: smaller if they differ more.
    self-CIDEr is $-\log_m r$ with $r = \sqrt{\lambda_1} / \sum_i \sqrt{\lambda_i}$, where $\lambda_i$ are the eigenvalues, largest first,
    of the matrix of all pairs' CIDEr: 0 if all captions are the same, 1 if no two share an n-gram.

    Source: Wang and Chan 2019 (self-CIDEr); Shetty et al. 2017 and Aneja et al. 2019 (the others), as in ImageCaptioning.pytorch.
    Differs: self-CIDEr is 0 for captions that all lack words, where the formula is undefined.

    Args:
        captions: two or more for each photo.
        frequencies: document frequencies that weigh n-grams, for example of the same split's references.
        tokens: the tokenisation rule.
    """
    parts = diversity_tallies(captions, frequencies, tokens)
    return {name: value for tally in parts for name, value in tally.of_all().items()}


def diversity_tallies(
    captions: Mapping[Any, Sequence[str]], frequencies: DocumentFrequencies, tokens: str = "simple"
) -> list[Tally]:
    """The statistics of each photo from which `diversity_scores` are computed."""
    tokenised = list(_tokenised(captions, tokens).values())
    few = [texts for texts in tokenised if len(texts) < 2]
    if few or not tokenised:
        raise UserError(
            f"diversity needs two captions of every photo, got {len(few)} of {len(tokenised)} photos with fewer; "
            "write more captions of each"
        )
    distinct = {f"distinct-{length}": [_distinct(texts, length) for texts in tokenised] for length in (1, 2)}
    return [
        Tally.means(distinct),
        _mutual_bleu(tokenised),
        Tally.means({"self-CIDEr": self_cider(tokenised, frequencies)}),
    ]


def self_cider(captions: Sequence[Sequence[Sequence[str]]], frequencies: DocumentFrequencies) -> list[float]:
    """self-CIDEr of each photo, 0 to 1, given its captions as lists of words; see `diversity_scores`."""
    scores = []
    for similarities in cider_of_pairs(captions, frequencies):
        roots = numpy.sqrt(numpy.linalg.eigvalsh(similarities).clip(min=0))
        largest = roots[-1] / roots.sum() if roots.sum() > 0 else 1.0
        scores.append(abs(math.log(min(1.0, largest))) / math.log(len(similarities)))
    return scores


def cider_of_pairs(captions: Sequence[Sequence[Sequence[str]]], frequencies: DocumentFrequencies) -> list[ndarray]:
    """(m, m) for each photo: the cosine of two captions' TF-IDF vectors, averaged over n-gram lengths 1 to 4.

    This is CIDEr / 10, without CIDEr-D's clipping and length penalty, which would allow negative eigenvalues.
    """
    counts = count(frequencies.numbering, list(chain.from_iterable(captions)))
    weights = counts.count * frequencies.rarity(counts.number)
    group = counts.caption * LONGEST + counts.length
    norms = numpy.sqrt(numpy.bincount(group, weights**2))[group]
    units = weights / numpy.where(norms > 0, norms, 1.0)
    similarities, first = [], 0
    for texts in captions:
        own = slice(*numpy.searchsorted(counts.caption, [first, first + len(texts)]))
        columns, column = numpy.unique(counts.number[own], return_inverse=True)
        vectors = numpy.zeros((len(texts), len(columns)))  # a column for each n-gram, of all lengths
        vectors[counts.caption[own] - first, column] = units[own]
        similarities.append(vectors @ vectors.T / LONGEST)
        first += len(texts)
    return similarities


def _distinct(captions: Sequence[Sequence[str]], length: int) -> float:
    distinct = {ngram for words in captions for ngram in _ngrams(words, length)}
    return len(distinct) / max(1, sum(map(len, captions)))


def _mutual_bleu(captions: Sequence[Sequence[Sequence[str]]]) -> Tally:
    """The mean over turns; in each turn, one caption of every photo is compared with the photo's others."""
    num_turns = max(map(len, captions))
    statistics = numpy.zeros((len(captions), num_turns, NUM_STATISTICS))
    for turn in range(num_turns):
        taking_part = [index for index, texts in enumerate(captions) if len(texts) > turn]
        others = {index: [*captions[index][:turn], *captions[index][turn + 1 :]] for index in taking_part}
        references = CountedReferences(others)
        counts = references.count([captions[index][turn] for index in taking_part])
        statistics[taking_part, turn] = bleu_statistics(references, counts, references.indices(taking_part))

    def scores(sums: ndarray) -> dict[str, ndarray]:
        return {f"mBLEU-{LONGEST}": bleu_of(sums.reshape(*sums.shape[:-1], num_turns, NUM_STATISTICS))[-1].mean(-1)}

    return Tally(statistics.reshape(len(captions), -1), scores)


def _repeats(words: Sequence[str]) -> bool:
    ngrams = _ngrams(words, REPEATED)
    return len(set(ngrams)) < len(ngrams)


def _ngrams(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


def _all_captions(captions: OneOrMore, tokens: str) -> list[list[str]]:
    """The words of every caption."""
    return [words for texts in _tokenised(captions, tokens).values() for words in texts]


def _tokenised(captions: OneOrMore, tokens: str) -> dict[Any, list[list[str]]]:
    """The words of each photo's captions."""
    split = word_rule(tokens)
    return {
        photo: [split(text) for text in ([texts] if isinstance(texts, str) else texts)]
        for photo, texts in captions.items()
    }
