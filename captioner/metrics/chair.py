r"""CHAIR: how often captions hallucinate, that is, name objects that the photo does not show.

$$\text{CHAIR}_i = \frac{\text{hallucinated objects}}{\text{objects named}} \qquad
\text{CHAIR}_s = \frac{\text{captions with a hallucinated object}}{\text{captions}}$$

A photo shows an object if its instances include the category, or if one of its references names it. Every mention counts. Smaller is
better, and captions that name nothing score best: read CHAIR together with `object recall`.

Source: Rohrbach et al. 2018, section 2.1.
Differs: plurals are generated from the table's words instead of reducing captions' words to singulars, which would need a tagger; phrases
of three words are recognised as well as those of two; captions that name no object have a CHAIR_i of 0.
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
from captioner.metrics.coco_scores import word_rule
from captioner.text.objects import Named, ObjectWords


@dataclass(frozen=True)
class Mention:
    """An object that a caption names, and whether the photo shows it."""

    named: Named
    present: bool


@dataclass(frozen=True)
class Chair:
    """How captions agree with the objects of their photos."""

    tally: Tally  # each photo's counts, and the scores of their sums, 0 to 1
    mentions: dict[Any, list[Mention]]  # of each photo's caption

    @property
    def row(self) -> dict[str, float]:
        """The scores by name. Object recall is the share of the categories in photos' instances that captions name, over all photos."""
        return self.tally.of_all()


def chair_scores(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    instances: Instances,
    tokens: str = "simple",
    named: ObjectWords | None = None,
) -> Chair:
    """Compare captions with the objects of their photos.

    Args:
        captions: one for each photo.
        references: of at least these photos.
        instances: of at least these photos.
        tokens: the tokenisation rule.
        named: finds objects in captions; by default those of the instances' categories.

    Raises:
        UserError: there are no captions, or a caption's photo has no references or no instances.
    """
    if not captions:
        raise UserError("CHAIR needs at least one caption, got none")
    _check_complete("references", list(captions), references)
    check_instances(list(captions), instances)
    named, split = named or ObjectWords(instances.categories), word_rule(tokens)
    check_names(named, tokens)
    mentions: dict[Any, list[Mention]] = {}
    counts = []
    for photo, caption in captions.items():
        objects = instances.held(photo)
        present = objects.union(word.category for text in references[photo] for word in named(split(text)))
        mentions[photo] = [Mention(word, word.category in present) for word in named(split(caption))]
        wrong = sum(not mention.present for mention in mentions[photo])
        recalled = objects.intersection(mention.named.category for mention in mentions[photo])
        counts.append([wrong, len(mentions[photo]), wrong > 0, 1, len(recalled), len(objects)])
    return Chair(Tally(numpy.array(counts, dtype=float), _shares), mentions)


def _shares(sums: ndarray) -> dict[str, ndarray]:
    """The scores of summed counts, in the order in which `chair_scores` appends them."""
    wrong, named, captions_wrong, captions, recalled, objects = numpy.moveaxis(sums, -1, 0)
    return {
        "CHAIR_i": wrong / numpy.maximum(1, named),
        "CHAIR_s": captions_wrong / captions,
        "object recall": recalled / numpy.maximum(1, objects),
    }


def can_name(named: ObjectWords, tokens: str) -> bool:
    """Whether captions that are split in this way can name an object: of characters, one alone is a name."""
    return tokens != "characters" or any(len(form) == 1 for form in named.category_of)


def check_names(named: ObjectWords, tokens: str) -> None:
    """Raise a UserError if captions that are split in this way name no object."""
    if not can_name(named, tokens):
        raise UserError(
            "CHAIR finds the names of objects among words, got tokens=characters, which cuts words into characters; score with "
            "--tokens ptb, or without --instances"
        )


def check_instances(photos: Sequence[Any], instances: Instances) -> None:
    """Raise a UserError if photos have no instances."""
    _check_complete("instances", photos, instances.of_photo)


def _check_complete(what: str, photos: Sequence[Any], given: Mapping[Any, Any]) -> None:
    missing = [photo for photo in photos if photo not in given]
    if missing:
        raise UserError(
            f"CHAIR needs the {what} of every captioned photo, {len(missing)} of {len(photos)} have none "
            f"(first: {missing[0]!r}); give the {what} of the same photos (ids keep their type: 7 is not '7')"
        )
