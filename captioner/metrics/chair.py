r"""CHAIR (Rohrbach et al. 2018): how often captions name objects that are not there.

$$\text{CHAIR}_i = \frac{\text{objects named that are not there}}{\text{objects named}} \qquad
\text{CHAIR}_s = \frac{\text{captions that name one}}{\text{captions}}$$

An object is there if a photo's instances hold its category, or one of the photo's references names it. Each mention counts. Smaller is
better, and smallest for captions that name nothing: read it beside `recall`.

Differs: plurals are made from the table's words instead of taking captions' words apart, so that no tagger is needed; phrases of three
words are found as well as those of two; captions that name no object have a CHAIR_i of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioner.data.instances import Instances
from captioner.errors import UserError
from captioner.metrics.scores import word_rule
from captioner.objects import ObjectWords


@dataclass(frozen=True)
class Mention:
    """An object that a caption names."""

    place: int  # of its first word in the caption
    words: str
    category: str
    there: bool

    @property
    def last(self) -> int:
        """The place of its last word."""
        return self.place + self.words.count(" ")


@dataclass(frozen=True)
class Chair:
    """How captions agree with what is there; shares are 0 to 1."""

    chair_i: float
    chair_s: float
    recall: float  # share of the categories in a photo's instances that its caption names, over all photos
    mentions: dict[Any, list[Mention]]  # of each photo's caption

    @property
    def row(self) -> dict[str, float]:
        """For a table."""
        return {"CHAIR_i": self.chair_i, "CHAIR_s": self.chair_s, "object recall": self.recall}


def chair_scores(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    instances: Instances,
    tokens: str = "simple",
    named: ObjectWords | None = None,
) -> Chair:
    """Compare captions with what their photos hold.

    Args:
        captions: one for each photo.
        references: of these photos, at least.
        instances: of these photos, at least.
        tokens: the rule that cuts captions and references into words.
        named: finds objects in captions; by the instances' categories unless given.

    Raises:
        UserError: there are no captions, or a caption's photo has no references or no instances.
    """
    _check(captions, references, instances)
    named, split = named or ObjectWords(instances.categories), word_rule(tokens)
    mentions, num_there, num_seen = {}, 0, 0
    for photo, caption in captions.items():
        objects = instances.held(photo)
        there = objects.union(category for text in references[photo] for _, _, category in named(split(text)))
        mentions[photo] = [Mention(*found, found[-1] in there) for found in named(split(caption))]
        num_there += len(objects)
        num_seen += len(objects & {mention.category for mention in mentions[photo]})
    every = [mention.there for of_photo in mentions.values() for mention in of_photo]
    wrong = sum(not all(mention.there for mention in of_photo) for of_photo in mentions.values())
    return Chair(
        chair_i=every.count(False) / max(1, len(every)),
        chair_s=wrong / len(captions),
        recall=num_seen / max(1, num_there),
        mentions=mentions,
    )


def _check(captions: Mapping[Any, str], references: Mapping[Any, Sequence[str]], instances: Instances) -> None:
    if not captions:
        raise UserError("CHAIR needs at least one caption, got none")
    for what, known in (("references", references), ("instances", instances.of_photo)):
        missing = [photo for photo in captions if photo not in known]
        if missing:
            raise UserError(
                f"CHAIR needs the {what} of every captioned photo, {len(missing)} of {len(captions)} have none "
                f"(first: {missing[0]!r}); give the {what} of the same photos (ids are compared as they are: 7 is not '7')"
            )
