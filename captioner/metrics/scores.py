"""BLEU, ROUGE-L and CIDEr-D, by coco-caption's own scorers and in its own scale.

The scorers are pycocoevalcap's, called one by one, so no Java is needed. Only the tokens are ours: a number compares
with a paper's where the captions were cut into words by the same rule.

CIDEr-D counts in how many photos' references a word sequence stands, over exactly the references given here. A score
therefore belongs to its set of photos, and on one photo it is 0: every sequence stands in all of the references.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence, Sized

from captioner.errors import UserError
from captioner.vocabulary import TOKENS

PhotoId = int | str
Captions = Mapping[PhotoId, str]
References = Mapping[PhotoId, Sequence[str]]
Cut = dict[PhotoId, list[str]]  # what the scorers take: texts with one space between words


def score(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """Every score of a set of captions.

    A caption without words is worth 0. A reference without words stays, as it does in coco-caption, as long as another
    reference of its photo has some; only there a caption without words is worth 1, in ROUGE-L.

    Args:
        captions: One caption for each photo.
        references: One or more for each photo; the photos are those of `captions`, in any order.
        tokens: The rule in `captioner.vocabulary.TOKENS` that cuts both into words.

    Returns:
        BLEU-1 to BLEU-4 and ROUGE-L, 0 to 1; CIDEr-D, 0 to 10.

    Raises:
        UserError: photos and captions do not pair up, a photo has no reference with words, or the rule is unknown.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.rouge.rouge import Rouge

    written, wanted = _cut(captions, references, tokens)
    bleu, _ = Bleu(4).compute_score(wanted, written, verbose=0)
    rouge, _ = Rouge().compute_score(wanted, written)
    by_length = {f"BLEU-{length}": float(value) for length, value in enumerate(bleu, start=1)}
    return {**by_length, "ROUGE-L": float(rouge), "CIDEr-D": _cider_d(written, wanted)}


def cider_d(captions: Captions, references: References, tokens: str = "simple") -> float:
    """CIDEr-D alone, 0 to 10: the same number as in `score`, for following a training."""
    return _cider_d(*_cut(captions, references, tokens))


def cider_d_each(captions: Captions, references: References, tokens: str = "simple") -> list[float]:
    """Every photo's CIDEr-D, in the references' order: their mean is the score of all."""
    from pycocoevalcap.cider.cider import Cider

    written, wanted = _cut(captions, references, tokens)
    return [float(value) for value in Cider().compute_score(wanted, written)[1]]


def java_scores(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """METEOR 1.5 (English), 0 to 1, where there is Java; nothing otherwise: no other METEOR gives the numbers that papers print."""
    if shutil.which("java") is None:
        return {}
    from pycocoevalcap.meteor.meteor import Meteor

    written, wanted = _cut(captions, references, tokens)
    scorer = Meteor()
    try:
        value, _ = scorer.compute_score(wanted, written)
    except (OSError, ValueError) as error:
        raise UserError(
            f"METEOR's Java program failed ({error}); mend Java, or take it off the PATH to leave METEOR out"
        ) from error
    finally:
        for pipe in (scorer.meteor_p.stdout, scorer.meteor_p.stderr):
            if pipe is not None:
                pipe.close()
    return {"METEOR": float(value)}


def word_rule(tokens: str) -> Callable[[str], list[str]]:
    """The rule of this name in `captioner.vocabulary.TOKENS`."""
    if tokens not in TOKENS:
        raise UserError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    return TOKENS[tokens]


def _cider_d(written: Cut, wanted: Cut) -> float:
    r"""$10 \cdot \frac14 \sum_n \frac1m \sum_j e^{-(l - l_j)^2 / 2\sigma^2}
    \frac{\min(g_n, g_n^j) \cdot g_n^j}{|g_n| |g_n^j|}$, with $\sigma = 6$, the mean over photos.

    g are term frequencies times log(photos / photos whose references hold the sequence).
    Source: Vedantam, Zitnick and Parikh 2015, who name it CIDEr-D; coco-caption's class is named `Cider`.
    Differs: the length l is the number of word pairs, so captions of no word and of one word are equally long.
    """
    from pycocoevalcap.cider.cider import Cider

    value, _ = Cider().compute_score(wanted, written)
    return float(value)


def _cut(captions: Captions, references: References, tokens: str) -> tuple[Cut, Cut]:
    """Captions and references as the scorers take them, in the references' order."""
    _check_photos(captions, references)
    split = word_rule(tokens)
    written = {photo: [" ".join(split(captions[photo]))] for photo in references}
    wanted = {photo: [" ".join(split(text)) for text in texts] for photo, texts in references.items()}
    wordless = [photo for photo, texts in wanted.items() if not any(texts)]
    if wordless:
        raise UserError(
            f"every photo needs a reference with words, {_count(wordless, references)} have none; "
            f"leave these photos out, or cut captions by another rule than tokens={tokens!r}"
        )
    return written, wanted


def _check_photos(captions: Captions, references: References) -> None:
    if not references:
        raise UserError("scores need at least one photo with references, got none; check the split's name")
    if captions and not any(photo in references for photo in captions):
        raise UserError(
            f"captions and references should be of the same photos, got none in common (first ids {next(iter(captions))!r} and "
            f"{next(iter(references))!r}); are these the right references? Ids are compared as they are: 7 is not '7'"
        )
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


def _count(some: Sequence[PhotoId], everything: Sized) -> str:
    return f"{len(some)} of {len(everything)} (first: {some[0]!r})"
