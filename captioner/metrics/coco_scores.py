"""BLEU, ROUGE-L and CIDEr-D, as coco-caption computes them and in its own scale.

The implementations are our own, need no Java, and equal pycocoevalcap's to 1e-9 for every photo. A score is comparable with a paper's if
captions were tokenised by the same rule.

CIDEr-D takes document frequencies from exactly the references given here. A score therefore belongs to its set of photos. On a single photo
it is 0, since every n-gram occurs in all photos' references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.bleu import bleu_of, bleu_statistics
from captioner.metrics.bootstrap import Tally
from captioner.metrics.cider import CiderD
from captioner.metrics.rouge import rouge_l
from captioner.metrics.sequences import LONGEST, CountedReferences
from captioner.metrics.units import NAMES
from captioner.text.tokens import TOKENS

_MOST_WORDS = 10_000  # of a caption; comparing two takes the product of their lengths
PhotoId = int | str
Captions = Mapping[PhotoId, str]
References = Mapping[PhotoId, Sequence[str]]


def score(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """Compute every score of a set of captions.

    A caption without words scores 0. A reference without words is kept, as in coco-caption, if another reference of its photo has words;
    ROUGE-L then gives a caption without words 1.

    Args:
        captions: one caption for each photo.
        references: one or more for each photo; the same photos as `captions`, in any order.
        tokens: the tokenisation rule, a name in `captioner.text.tokens.TOKENS`.

    Returns:
        BLEU-1 to BLEU-4 and ROUGE-L, 0 to 1; CIDEr-D, 0 to 10.

    Raises:
        UserError: photos and captions do not pair up, a photo has no reference with words, or the rule is unknown.
    """
    return {name: value for tally in tallies(captions, references, tokens) for name, value in tally.of_all().items()}


def score_each(captions: Captions, references: References, tokens: str = "simple") -> dict[str, list[float]]:
    """Every photo's scores, by metric, in the references' order.

    The means of ROUGE-L and CIDEr-D are the scores of all photos; BLEU of all photos is not a mean.
    """
    statistics, means = _compare(captions, references, tokens)
    return dict(zip(NAMES, bleu_of(statistics).tolist(), strict=False)) | {
        name: values.tolist() for name, values in means.items()
    }


def tallies(captions: Captions, references: References, tokens: str = "simple") -> list[Tally]:
    """The statistics of each photo from which `score` is computed."""
    statistics, means = _compare(captions, references, tokens)
    return [Tally(statistics, lambda sums: dict(zip(NAMES, bleu_of(sums), strict=False))), Tally.means(means)]


def cider_d(captions: Captions, references: References, tokens: str = "simple") -> float:
    """CIDEr-D alone, 0 to 10: the same number as in `score`."""
    return sum(cider_d_each(captions, references, tokens)) / len(references)


def cider_d_each(captions: Captions, references: References, tokens: str = "simple") -> list[float]:
    """Every photo's CIDEr-D, in the references' order; their mean is the score of all."""
    candidates, texts = tokenised(captions, references, tokens)
    return CiderD(texts)(candidates).tolist()


def word_rule(tokens: str) -> Callable[[str], list[str]]:
    """The tokenisation rule of this name in `captioner.text.tokens.TOKENS`."""
    if tokens not in TOKENS:
        raise UserError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    return TOKENS[tokens]


def _compare(captions: Captions, references: References, tokens: str) -> tuple[ndarray, dict[str, ndarray]]:
    """(n, 10) each photo's BLEU statistics, and (n,) its ROUGE-L and CIDEr-D."""
    candidates, texts = tokenised(captions, references, tokens)
    counted = CountedReferences(texts)
    counts, photos = counted.count(list(candidates.values())), counted.indices(list(candidates))
    rouge = numpy.array([rouge_l(caption, texts[photo]) for photo, caption in candidates.items()])
    cider = CiderD(counted).of_counts(counts, photos)
    return bleu_statistics(counted, counts, photos), dict(zip(NAMES[LONGEST:], [rouge, cider], strict=True))


def tokenised(
    captions: Captions, references: References, tokens: str
) -> tuple[dict[PhotoId, str], dict[PhotoId, list[str]]]:
    """Captions and references with one space between words, in the references' order."""
    _check_photos(captions, references)
    split, reference_texts = word_rule(tokens), tokenised_references(references, tokens)
    candidates = {photo: " ".join(split(captions[photo])) for photo in references}
    for photo, texts in reference_texts.items():
        longest = max(text.count(" ") for text in (candidates[photo], *texts, ""))
        if longest >= _MOST_WORDS:
            raise UserError(
                f"a caption should be a sentence, got {longest + 1:,} words for photo {photo!r}; correct it, or leave the photo out"
            )
    wordless = [photo for photo, texts in reference_texts.items() if not any(texts)]
    if wordless:
        raise UserError(
            f"every photo needs a reference with words, {_count(wordless, references)} have none; "
            f"leave these photos out, or tokenise by another rule than tokens={tokens!r}"
        )
    return candidates, reference_texts


def tokenised_references(references: References, tokens: str) -> dict[PhotoId, list[str]]:
    """References with one space between words."""
    split = word_rule(tokens)
    return {photo: [" ".join(split(text)) for text in texts] for photo, texts in references.items()}


def _check_photos(captions: Captions, references: References) -> None:
    if not references:
        raise UserError("scores need at least one photo with references, got none; check the split's name")
    check_common("captions", captions, references)
    odd = [photo for photo, texts in references.items() if isinstance(texts, str)]
    if odd or not all(isinstance(caption, str) for caption in captions.values()):
        raise UserError(
            "scores need one text for each photo's caption, and a list of texts for its references, got "
            f"{f'the text {references[odd[0]]!r} as references' if odd else 'another caption'}; write {{1: 'a dog'}} and {{1: ['a dog']}}"
        )
    missing = [photo for photo in references if photo not in captions]
    if missing:
        raise UserError(
            f"every photo with references needs a caption, {_count(missing, references)} have none; "
            "caption them, or leave their references out (ids keep their type: 7 is not '7')"
        )
    unknown = [photo for photo in captions if photo not in references]
    if unknown:
        raise UserError(
            f"every caption needs its photo's references, {_count(unknown, captions)} have none; "
            "give the references of the split that was captioned"
        )


def check_common(name: str, captions: Captions, references: References) -> None:
    """Raise a UserError, which calls the captions by `name`, if none of their photos has references."""
    if captions and not any(photo in references for photo in captions):
        raise UserError(
            f"{name} and the references should be of the same photos, got none in common (first ids {next(iter(captions))!r} and "
            f"{next(iter(references))!r}); are they of the same split? Ids keep their type: 7 is not '7'"
        )


def _count(photos: Sequence[PhotoId], everything: Sized) -> str:
    return f"{len(photos)} of {len(everything)} (first: {photos[0]!r})"
