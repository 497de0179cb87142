"""All that an inspection found: as json, as a figure, and in a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captioner.commands.inspect.inspection_figure import card_figure
from captioner.commands.inspect.observations import Cost
from captioner.explain import Agreement
from captioner.explain.deletion import Areas
from captioner.files import write_text_atomically
from captioner.metrics.bootstrap import Estimate

NOTHING = "-"
FEWEST = 10
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
        if any(found.photos < FEWEST for found in lost):
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
        return NOTHING
    if found.photos < FEWEST:
        return f"{times * found.value:.{digits}f} ({found.photos} photo{'s' * (found.photos > 1)})"
    value, low, high = (f"{times * each:.{digits}f}" for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def save(card: Card) -> None:
    """Write inspect.json and inspect.png into the card's folder."""
    content = {name: value for name, value in asdict(card).items() if name != "folder"}
    text = json.dumps({"verdict": card.verdict, **content}, indent=1)
    write_text_atomically(card.folder / "inspect.json", text + "\n")
    of_what = f"{card.about['run']} on {card.about['photos']} photos of {card.about['instances']}"
    card_figure(card.folder / "inspect.png", card, f"{of_what}. {card.verdict}")
