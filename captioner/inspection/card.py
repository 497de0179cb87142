"""All that an inspection found: as tables, as json, and in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from captioner.bootstrap import Estimate
from captioner.explain import Agreement
from captioner.explain.deletion import Areas
from captioner.files import write_text_atomically
from captioner.inspection.watching import Cost
from captioner.visualize.card import card_figure

_FEWEST = 10
"""Photos that an interval is shown for."""


@dataclass(frozen=True)
class Hallucination:
    """How spread maps are at words for objects that are there, and at words for objects that are not; entropy over log R."""

    chair: dict[str, float]
    num_there: int
    num_not_there: int
    there: Estimate | None
    not_there: Estimate | None
    difference: Estimate | None  # above 0 where maps are wider at hallucinated words


@dataclass(frozen=True)
class Card:
    """Numbers for attention. `references` are read, `captions` are the model's own."""

    about: dict[str, Any]
    agreement: dict[str, dict[str, Agreement]]  # by captions, and by map
    lag: dict[str, dict[int, Agreement]]  # by captions, and by words after the one that names the object
    sizes: dict[str, dict[str, Agreement]]
    reasons: dict[str, Areas]  # by order
    replaced: dict[str, Cost]
    shape: dict[str, Estimate | None]
    hallucination: Hallucination
    folder: Path

    @property
    def verdict(self) -> str:
        """Does attention matter here? Yes where the intervals of both losses lie above 0, a little where one does; harm below 0."""
        cost = self.replaced["uniform"]
        lost = [found for found in (cost.cider, cost.log_prob) if found is not None]
        matters = [found.low > 0 for found in lost]
        answer = "yes" if lost and all(matters) else "a little" if any(matters) else "not measurably"
        if lost and all(found.high < 0 for found in lost):
            answer = "it does harm"
        if any(found.photos < _FEWEST for found in lost):
            answer = "too few photos to tell"
        parts = []
        if cost.cider is not None:
            parts.append(f"{shown(cost.cider, 100, 1)} of {100 * self.about['CIDEr-D']:.1f} CIDEr-D x100")
        if cost.log_prob is not None:
            parts.append(f"{shown(cost.log_prob, 1, 3)} nats a word")
        lost_here = " and ".join(parts)
        return f"Does attention matter here? {answer.capitalize()}: with a uniform map for every word the model loses {lost_here}."


def shown(found: Estimate | None, times: float = 1, digits: int = 2) -> str:
    """A number with its interval, or with the number of photos where that is too small for one."""
    if found is None:
        return "-"
    if found.photos < _FEWEST:
        return f"{times * found.value:.{digits}f} ({found.photos} photos)"
    value, low, high = (f"{times * each:.{digits}f}" for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def tables(card: Card) -> list[Table]:
    """Everything that people look at first."""
    return [
        *(_maps(name, found) for name, found in card.agreement.items()),
        _reasons(card),
        _replaced(card),
        _more(card),
    ]


def save(card: Card) -> None:
    """Write inspect.json and inspect.png into the card's folder."""
    content = {name: value for name, value in asdict(card).items() if name != "folder"}
    text = json.dumps({"verdict": card.verdict, **content}, indent=1)
    write_text_atomically(card.folder / "inspect.json", text + "\n")
    card_figure(card.folder / "inspect.png", card, card.verdict)


def _maps(name: str, found: Mapping[str, Agreement]) -> Table:
    """Every kind of map on the same words."""
    title = f"{name}: is the map on the object? {found['attention'].num_words} words"
    table = _table(title, ["map", "lift", "pointing %", "mass on the object"])
    for row, one in found.items():
        table.add_row(row, shown(one.lift), shown(one.pointing, 100, 1), shown(one.correctness))
    return table


def _reasons(card: Card) -> Table:
    num_words = max((one.num_words for one in card.reasons.values()), default=0)
    title = f"captions: is the map the reason? {num_words} words that name objects"
    table = _table(title, ["order", "insertion", "deletion", "insertion - deletion"])
    for row, one in card.reasons.items():
        table.add_row(row, shown(one.insertion), shown(one.deletion), shown(one.gap))
    return table


def _replaced(card: Card) -> Table:
    table = _table("what is lost where maps are replaced", ["maps", "CIDEr-D x100", "nats a word"])
    for name, cost in card.replaced.items():
        table.add_row(name, shown(cost.cider, 100, 1), shown(cost.log_prob, 1, 3))
    return table


def _more(card: Card) -> Table:
    table = _table("more", ["", ""])
    for name, lag in card.lag.items():
        for offset, found in lag.items():
            table.add_row(
                f"lift {offset:+d} words away, {name}" if offset else f"lift at the word, {name}", shown(found.lift)
            )
    for name, sizes in card.sizes.items():
        for size, found in sizes.items():
            if found.num_words:
                table.add_row(f"lift on {size} objects, {name} ({found.num_words} words)", shown(found.lift))
    for name, found in card.shape.items():
        table.add_row(_SHAPE[name], shown(found))
    of = card.hallucination
    table.add_row(f"entropy at {of.num_there} words for what is there", shown(of.there))
    table.add_row(f"entropy at {of.num_not_there} words for what is not", shown(of.not_there))
    table.add_row("difference", shown(of.difference))
    return table


_SHAPE = {
    "entropy": "entropy of maps / log R",
    "regions": "effective number of regions",
    "sharpness": "largest weight",
    "change": "change from word to word",
    "divergence": "divergence from word to word, bits",
    "coverage": "share of the regions that a caption covers",
    "centre": "middle quarter of the photo over its fair share",
}


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right")
    return table
