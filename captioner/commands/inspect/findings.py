"""The results of an inspection: as json, as a figure, and in one sentence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captioner.commands.inspect.inspection_figure import card_figure
from captioner.commands.inspect.observations import Cost
from captioner.errors import shortened
from captioner.explain.deletion import CurveAreas
from captioner.explain.grounding import Agreement, Gain, Lag
from captioner.files import write_text_atomically, written_together
from captioner.metrics.bootstrap import Estimate
from captioner.visualize.figures import FORMATS

NOTHING = "-"
_LONGEST_TITLE = 60
_LEAST = 0.0005  # losses below it are printed as 0
MIN_PHOTOS = 10
"""Intervals are shown only if at least this many photos contributed; with fewer they are meaningless."""


@dataclass(frozen=True)
class Hallucination:
    """The entropy over log R of maps at words that name an object of the photo (there), and at hallucinated words (not there)."""

    chair: dict[str, float]
    num_there: int
    num_not_there: int
    there: Estimate | None
    not_there: Estimate | None
    difference: Estimate | None  # above 0 if maps are wider at hallucinated words


@dataclass(frozen=True)
class Card:
    """All results. `references` and `captions` are the keys for words of references and of the model's own captions."""

    about: dict[str, Any]
    agreement: dict[str, dict[str, Agreement]]  # by text (references, captions) and kind of map
    gains: dict[str, dict[str, dict[str, Gain]]]  # by text, kind of map, and the kind that it is compared with
    lag: dict[str, dict[int, Agreement]]  # by text and offset from the word that names the object
    best_offset: dict[str, Lag | None]  # by text: the offset with the largest lift
    sizes: dict[str, dict[str, Agreement]]  # by text and size of the object
    reasons: dict[str, CurveAreas]  # insertion and deletion, by the map that orders the regions
    replaced: dict[str, Cost]  # by the maps that replace the model's own
    shape: dict[str, Estimate | None]
    hallucination: Hallucination | None  # None if the photos have further objects of the categories
    folder: Path

    @property
    def title(self) -> str:
        """What the figure says above its panels."""
        about = (
            f"{Path(self.about['run']).resolve().name} on {self.about['photos']} photos of {self.about['instances']}"
        )
        return f"{shortened(about, _LONGEST_TITLE)}. Does attention matter? {self._answer}"

    @property
    def _answer(self) -> str:
        """Whether attention matters: yes if both losses are measurably above 0, a little if one is; harm if both are below 0."""
        cost = self.replaced["uniform"]
        losses = [loss for loss in (cost.cider, cost.log_prob) if loss is not None]
        above_zero = [loss.low > _LEAST for loss in losses]
        answer = "yes" if losses and all(above_zero) else "a little" if any(above_zero) else "not measurably"
        if losses and all(loss.high < -_LEAST for loss in losses):
            answer = "it does harm"
        if any(loss.photos < MIN_PHOTOS for loss in losses):
            answer = "too few photos to tell"
        return answer.capitalize()

    @property
    def verdict(self) -> str:
        """The answer, and what the model loses with uniform maps."""
        cost, parts = self.replaced["uniform"], []
        if cost.cider is not None:
            parts.append(f"{shown(cost.cider, 100, 1)} of {100 * self.about['CIDEr-D']:.1f} CIDEr-D x100")
        if cost.log_prob is not None:
            parts.append(f"{shown(cost.log_prob, 1, 3)} nats per word")
        return (
            f"Does attention matter here? {self._answer}: with a uniform map for every word the model loses "
            f"{' and '.join(parts)}."
        )


def shown(estimate: Estimate | None, factor: float = 1, digits: int = 2) -> str:
    """An estimate with its interval, or with the number of photos if they are too few for an interval."""
    if estimate is None:
        return NOTHING
    if estimate.photos < MIN_PHOTOS:
        return f"{factor * estimate.value:.{digits}f} ({estimate.photos} photo{'s' * (estimate.photos > 1)})"
    value, low, high = (f"{factor * number:.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def save(card: Card) -> None:
    """Write inspect.json and the figure inspect.png, .pdf and .svg into the card's folder."""
    content = {name: value for name, value in asdict(card).items() if name != "folder"}
    text = json.dumps({"verdict": card.verdict, **content}, indent=1)
    with written_together(card.folder, [f"inspect{ending}" for ending in FORMATS]):
        write_text_atomically(card.folder / "inspect.json", text + "\n")
        card_figure(card.folder / "inspect.png", card, card.title)
