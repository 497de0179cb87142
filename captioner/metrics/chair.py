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

import numpy
from numpy import ndarray

from captioner.data.instances import Instances
from captioner.errors import UserError
from captioner.metrics.bootstrap import Tally
from captioner.metrics.scores import word_rule
from captioner.text.objects import Named, ObjectWords


@dataclass(frozen=True)
class Mention:
    """An object that a caption names, and whether it is there."""

    named: Named
    there: bool


@dataclass(frozen=True)
class Chair:
    """How captions agree with what is there; shares are 0 to 1."""

    tally: Tally  # what each photo adds to the shares
    mentions: dict[Any, list[Mention]]  # of each photo's caption

    @property
    def row(self) -> dict[str, float]:
        """For a table. Recall is the share of the categories in a photo's instances that its caption names, over all photos."""
        return self.tally.of_all()


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
    if not captions:
        raise UserError("CHAIR needs at least one caption, got none")
    _check_known("references", list(captions), references)
    check_instances(list(captions), instances)
    named, split = named or ObjectWords(instances.categories), word_rule(tokens)
    mentions: dict[Any, list[Mention]] = {}
    numbers = []
    for photo, caption in captions.items():
        objects = instances.held(photo)
        there = objects.union(one.category for text in references[photo] for one in named(split(text)))
        found = mentions[photo] = [Mention(one, one.category in there) for one in named(split(caption))]
        wrong = sum(not mention.there for mention in found)
        seen = objects.intersection(mention.named.category for mention in found)
        numbers.append([wrong, len(found), wrong > 0, 1, len(seen), len(objects)])
    return Chair(Tally(numpy.array(numbers, dtype=float), _shares), mentions)


def _shares(sums: ndarray) -> dict[str, ndarray]:
    """Of objects named wrongly and named, captions that name one wrongly and captions, categories named and there."""
    wrong, named, some_wrong, captions, seen, there = numpy.moveaxis(sums, -1, 0)
    return {
        "CHAIR_i": wrong / numpy.maximum(1, named),
        "CHAIR_s": some_wrong / captions,
        "object recall": seen / numpy.maximum(1, there),
    }


def check_instances(photos: Sequence[Any], instances: Instances) -> None:
    """Complain about photos of which no instances are known."""
    _check_known("instances", photos, instances.of_photo)


def _check_known(what: str, photos: Sequence[Any], known: Mapping[Any, Any]) -> None:
    missing = [photo for photo in photos if photo not in known]
    if missing:
        raise UserError(
            f"CHAIR needs the {what} of every captioned photo, {len(missing)} of {len(photos)} have none "
            f"(first: {missing[0]!r}); give the {what} of the same photos (ids are compared as they are: 7 is not '7')"
        )
