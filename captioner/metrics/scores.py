"""BLEU, ROUGE-L and CIDEr-D, as coco-caption computes them and in its own scale.

The scorers are ours, without Java, and equal pycocoevalcap's to 1e-9 for every photo; a number compares with a paper's where the captions
were cut into words by the same rule.

CIDEr-D counts in how many photos' references a word sequence stands, over exactly the references given here. A score
therefore belongs to its set of photos, and on one photo it is 0: every sequence stands in all of the references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.bleu import bleu_numbers, bleu_of
from captioner.metrics.bootstrap import Tally
from captioner.metrics.cider import CiderD
from captioner.metrics.rouge import rouge_l
from captioner.metrics.sequences import LONGEST, CountedReferences
from captioner.text.tokens import TOKENS

PhotoId = int | str
Captions = Mapping[PhotoId, str]
References = Mapping[PhotoId, Sequence[str]]


NAMES = [*(f"BLEU-{length}" for length in range(1, LONGEST + 1)), "ROUGE-L", "CIDEr-D"]


def score(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """Every score of a set of captions.

    A caption without words is worth 0. A reference without words stays, as it does in coco-caption, as long as another
    reference of its photo has some; only there a caption without words is worth 1, in ROUGE-L.

    Args:
        captions: One caption for each photo.
        references: One or more for each photo; the photos are those of `captions`, in any order.
        tokens: The rule in `captioner.text.tokens.TOKENS` that cuts both into words.

    Returns:
        BLEU-1 to BLEU-4 and ROUGE-L, 0 to 1; CIDEr-D, 0 to 10.

    Raises:
        UserError: photos and captions do not pair up, a photo has no reference with words, or the rule is unknown.
    """
    return {name: value for tally in tallies(captions, references, tokens) for name, value in tally.of_all().items()}


def score_each(captions: Captions, references: References, tokens: str = "simple") -> dict[str, list[float]]:
    """Every photo's scores, by metric, in the references' order.

    The means of ROUGE-L and CIDEr-D are the scores of all; BLEU of all is that of the photos' sums, and no mean.
    """
    numbers, means = _compare(captions, references, tokens)
    return dict(zip(NAMES, bleu_of(numbers).tolist(), strict=False)) | {
        name: each.tolist() for name, each in means.items()
    }


def tallies(captions: Captions, references: References, tokens: str = "simple") -> list[Tally]:
    """What the scores of `score` are made of, photo by photo."""
    numbers, means = _compare(captions, references, tokens)
    return [Tally(numbers, lambda sums: dict(zip(NAMES, bleu_of(sums), strict=False))), Tally.means(means)]


def cider_d(captions: Captions, references: References, tokens: str = "simple") -> float:
    """CIDEr-D alone, 0 to 10: the same number as in `score`, for following a training."""
    return sum(cider_d_each(captions, references, tokens)) / len(references)


def cider_d_each(captions: Captions, references: References, tokens: str = "simple") -> list[float]:
    """Every photo's CIDEr-D, in the references' order: their mean is the score of all."""
    written, wanted = cut(captions, references, tokens)
    return CiderD(wanted)(written).tolist()


def word_rule(tokens: str) -> Callable[[str], list[str]]:
    """The rule of this name in `captioner.text.tokens.TOKENS`."""
    if tokens not in TOKENS:
        raise UserError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    return TOKENS[tokens]


def _compare(captions: Captions, references: References, tokens: str) -> tuple[ndarray, dict[str, ndarray]]:
    """(n, 10) what each photo adds to BLEU, and (n,) its ROUGE-L and CIDEr-D."""
    written, wanted = cut(captions, references, tokens)
    counted = CountedReferences(wanted)
    counts, places = counted.count(list(written.values())), counted.places(list(written))
    rouge = numpy.array([rouge_l(caption, wanted[photo]) for photo, caption in written.items()])
    cider = CiderD(counted).of_counts(counts, places)
    return bleu_numbers(counted, counts, places), dict(zip(NAMES[LONGEST:], [rouge, cider], strict=True))


def cut(captions: Captions, references: References, tokens: str) -> tuple[dict[PhotoId, str], dict[PhotoId, list[str]]]:
    """Captions and references with one space between words, in the references' order."""
    _check_photos(captions, references)
    split, wanted = word_rule(tokens), cut_references(references, tokens)
    written = {photo: " ".join(split(captions[photo])) for photo in references}
    wordless = [photo for photo, texts in wanted.items() if not any(texts)]
    if wordless:
        raise UserError(
            f"every photo needs a reference with words, {_count(wordless, references)} have none; "
            f"leave these photos out, or cut captions by another rule than tokens={tokens!r}"
        )
    return written, wanted


def cut_references(references: References, tokens: str) -> dict[PhotoId, list[str]]:
    """With one space between words."""
    split = word_rule(tokens)
    return {photo: [" ".join(split(text)) for text in texts] for photo, texts in references.items()}


def _check_photos(captions: Captions, references: References) -> None:
    if not references:
        raise UserError("scores need at least one photo with references, got none; check the split's name")
    check_common("captions", captions, references)
    missing = [photo for photo in references if photo not in captions]
    if missing:
        raise UserError(
            f"every photo with references needs a caption, {_count(missing, references)} have none; "
            "caption them, or leave their references out (ids are compared as they are: 7 is not '7')"
        )
    unknown = [photo for photo in captions if photo not in references]
    if unknown:
        raise UserError(
            f"every caption needs its photo's references, {_count(unknown, captions)} have none; "
            "give the references of the split that was captioned"
        )


def check_common(name: str, captions: Captions, references: References) -> None:
    """Complain about captions, which a message calls by a name, none of whose photos has references."""
    if captions and not any(photo in references for photo in captions):
        raise UserError(
            f"{name} and the references should be of the same photos, got none in common (first ids {next(iter(captions))!r} and "
            f"{next(iter(references))!r}); are they of the same split? Ids are compared as they are: 7 is not '7'"
        )


def _count(some: Sequence[PhotoId], everything: Sized) -> str:
    return f"{len(some)} of {len(everything)} (first: {some[0]!r})"
