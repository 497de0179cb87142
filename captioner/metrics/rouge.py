r"""ROUGE-L, as coco-caption computes it.

$$\frac{(1 + \beta^2) P R}{R + \beta^2 P}$$

with $\beta = 1.2$; P and R are the length of the longest common subsequence over the length of the caption and of the reference. Each is
the largest over the references, so P and R may come from different ones.

Source: Lin 2004, section 3.1, equations 2 to 4.
Differs: texts are split at spaces only, so a text without words is one empty word, as in coco-caption.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

BETA = 1.2
"""Weight of recall against precision."""


def rouge_l(caption: str, references: Sequence[str]) -> float:
    """ROUGE-L of one caption, 0 to 1."""
    words = caption.split(" ")
    positions: dict[str, int] = defaultdict(int)  # bit i is set where the word is the caption's word i
    for position, word in enumerate(words):
        positions[word] |= 1 << position
    precision = recall = 0.0
    for reference in references:
        reference_words = reference.split(" ")
        common = _longest_common(positions, len(words), reference_words)
        precision, recall = max(precision, common / len(words)), max(recall, common / len(reference_words))
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(positions: dict[str, int], length: int, reference: Sequence[str]) -> int:
    """Words in the longest common subsequence. Bits turn a column of the usual table into one addition.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a bit is 0 where the column's value increases.
    """
    column = full = (1 << length) - 1
    for word in reference:
        if word in positions:
            matches = column & positions[word]
            column = (column + matches) | (column - matches)
    return (~column & full).bit_count()
