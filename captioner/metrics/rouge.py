r"""ROUGE-L (Lin 2004), as coco-caption computes it.

$$\frac{(1 + \beta^2) P R}{R + \beta^2 P}$$

with $\beta = 1.2$; P and R are the longest common subsequence's share of the caption and of the reference, each the largest over the
references, which need not be the same one.

Differs: texts are cut at spaces alone, so that a text without words is one empty word, as coco-caption has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

BETA = 1.2
"""How much more recall weighs than precision."""


def rouge_l(caption: str, references: Sequence[str]) -> float:
    """0 to 1, of one caption."""
    words = caption.split(" ")
    places: dict[str, int] = defaultdict(int)  # bit i of a word is set where it is the caption's word i
    for place, word in enumerate(words):
        places[word] |= 1 << place
    precision = recall = 0.0
    for reference in references:
        others = reference.split(" ")
        common = _longest_common(places, len(words), others)
        precision, recall = max(precision, common / len(words)), max(recall, common / len(others))
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(places: dict[str, int], length: int, others: Sequence[str]) -> int:
    """Words in the longest common subsequence. Bits make a column of the usual table one addition.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a bit is 0 where the column's value rises.
    """
    column = full = (1 << length) - 1
    for word in others:
        if word in places:
            matches = column & places[word]
            column = (column + matches) | (column - matches)
    return (~column & full).bit_count()
