"""The units of scores: coco-caption's own scale on disk (BLEU 0 to 1, CIDEr-D 0 to 10); x100 in tables, as in papers, or words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NAMES = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
"""The metrics of `metrics.score`, computed in validation."""
WORDS_USED, MEAN_LENGTH = "words used", "mean length"
WORD_COUNTS = frozenset({WORDS_USED, MEAN_LENGTH})
"""Metrics that count words: tables print them unscaled."""


def metrics_of(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The metrics that any row has, in the order of first occurrence: the columns of a table."""
    return list(dict.fromkeys(metric for row in rows.values() for metric in row))


def unit_of(metrics: Iterable[str]) -> str:
    """The unit of a table of these metrics.

    Raises:
        ValueError: their units differ, or there are none.
    """
    units = {metric: "words" if metric in WORD_COUNTS else "x100" for metric in metrics}
    if len({*units.values()}) != 1:
        raise ValueError(f"a table needs metrics of one unit, got {units or 'none'}; make a table for each unit")
    return next(iter(units.values()))


def shown(value: float, metric: str, sign: str = "") -> str:
    """A value as printed in tables."""
    if metric == WORDS_USED:
        return format(value, f"{sign},.0f")
    return format(value if metric in WORD_COUNTS else 100 * value, f"{sign},.1f")
