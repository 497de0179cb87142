"""The units of scores: on disk coco-caption's own scale (BLEU 0 to 1, CIDEr-D 0 to 10), in tables x100, as papers print them, or words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

WORDS_USED, MEAN_LENGTH = "words used", "mean length"
AS_THEY_ARE = frozenset({WORDS_USED, MEAN_LENGTH})
"""Numbers of words, not shares: tables print them as they are."""


def metrics_of(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """All that some row has, in the order in which they come first: the columns of a table."""
    return list(dict.fromkeys(metric for row in rows.values() for metric in row))


def unit_of(metrics: Iterable[str]) -> str:
    """What a table of these metrics is in.

    Raises:
        ValueError: they differ, or there are none.
    """
    units = {metric: "words" if metric in AS_THEY_ARE else "x100" for metric in metrics}
    if len({*units.values()}) != 1:
        raise ValueError(f"a table needs metrics of one unit, got {units or 'none'}; make a table of each unit")
    return next(iter(units.values()))


def shown(value: float, metric: str, sign: str = "") -> str:
    """A value as tables print it."""
    if metric == WORDS_USED:
        return format(value, f"{sign},.0f")
    return format(value if metric in AS_THEY_ARE else 100 * value, f"{sign},.1f")
