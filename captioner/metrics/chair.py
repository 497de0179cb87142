r"""CHAIR (Rohrbach et al. 2018): how often captions name objects that are not there.

$$\text{CHAIR}_i = \frac{\text{objects named that are not there}}{\text{objects named}} \qquad
\text{CHAIR}_s = \frac{\text{captions that name one}}{\text{captions}}$$

An object is there if a photo's instances hold its category, or one of the photo's references names it. Each mention counts. Smaller is
better, and smallest for captions that name nothing: read it beside `recall`.

Differs: plurals are made from the table's words instead of taking captions' words apart, so that no tagger is needed; phrases of three
words are found as well as those of two; captions that name no object have a CHAIR_i of 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy import ndarray

from captioner.data.contract import read_json
from captioner.errors import UserError
from captioner.metrics.bootstrap import Tally
from captioner.metrics.scores import word_rule
from captioner.metrics.synonyms import NOT_BESIDE, PLURALS, SYNONYMS, TRAPS


@dataclass(frozen=True)
class Instances:
    """What photos hold."""

    categories: list[str]
    of_photo: dict[Any, frozenset[str]]  # the categories of each photo's objects; none where it holds none

    def check(self, photos: Sequence[Any]) -> None:
        """Complain about photos that are not among these."""
        _check_known("instances", photos, self.of_photo)


@dataclass(frozen=True)
class Mention:
    """An object that a caption names."""

    place: int  # of its first word in the caption
    words: str
    category: str
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


class ObjectWords:
    """Finds the objects that a caption names.

    Args:
        categories: names of categories. One of COCO's has the words of `synonyms.SYNONYMS`, another its own name alone.
    """

    def __init__(self, categories: Iterable[str]):
        known = list(categories)
        self.category_of = {form: category for words, category in TRAPS.items() for form in _forms(words)}
        others = [(words, category) for category in known for words in SYNONYMS.get(category, "").split(", ") if words]
        for words, category in [*others, *zip(known, known, strict=True)]:  # a category's own name comes before all
            self.category_of.update(dict.fromkeys(_forms(words.lower()), category))
        self.category_of = {form: category if category in known else "" for form, category in self.category_of.items()}
        self.longest = max((len(form.split()) for form in self.category_of), default=0)

    def __call__(self, words: Sequence[str]) -> list[tuple[int, str, str]]:
        """Every object named: the place of its first word, its words, its category. Of words that overlap the longest count."""
        found = list(self._phrases([word.lower().removesuffix("'s") for word in words]))
        categories = {category for _, _, category in found}
        return [
            (place, phrase, category)
            for place, phrase, category in found
            if category
            and not any(phrase in _forms(word) and other in categories for word, other in NOT_BESIDE.items())
        ]

    def _phrases(self, words: Sequence[str]) -> Iterator[tuple[int, str, str]]:
        place = 0
        while place < len(words):
            for length in range(min(self.longest, len(words) - place), 0, -1):
                phrase = " ".join(words[place : place + length])
                if phrase in self.category_of:
                    yield place, phrase, self.category_of[phrase]
                    break
            else:
                length = 1
            place += length


def chair_scores(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    instances: Instances,
    tokens: str = "simple",
) -> Chair:
    """Compare captions with what their photos hold.

    Args:
        captions: one for each photo.
        references: of these photos, at least.
        instances: of these photos, at least.
        tokens: the rule that cuts captions and references into words.

    Raises:
        UserError: there are no captions, or a caption's photo has no references or no instances.
    """
    if not captions:
        raise UserError("CHAIR needs at least one caption, got none")
    _check_known("references", list(captions), references)
    instances.check(list(captions))
    named, split = ObjectWords(instances.categories), word_rule(tokens)
    mentions: dict[Any, list[Mention]] = {}
    numbers = []
    for photo, caption in captions.items():
        objects = instances.of_photo[photo]
        there = objects.union(category for text in references[photo] for _, _, category in named(split(text)))
        found = mentions[photo] = [Mention(*one, one[-1] in there) for one in named(split(caption))]
        wrong = sum(not mention.there for mention in found)
        seen = objects.intersection(mention.category for mention in found)
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


def read_instances(path: Path) -> Instances:
    """The categories of every photo's objects, from an instances file as COCO has them.

    Raises:
        UserError: the file is not there, or not as COCO has it.
    """
    content = read_json(path, "the instances file")
    try:
        name_of = {category["id"]: str(category["name"]) for category in content["categories"]}
        held: dict[Any, set[str]] = {image["id"]: set() for image in content["images"]}
        for annotation in content["annotations"]:
            held[annotation["image_id"]].add(name_of[annotation["category_id"]])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} should hold images (id), categories (id, name) and annotations (image_id, category_id) that name them, but "
            f"{error} is wrong or missing; give an instances file as COCO has them"
        ) from error
    return Instances(list(name_of.values()), {photo: frozenset(names) for photo, names in held.items()})


def _check_known(what: str, photos: Sequence[Any], known: Mapping[Any, Any]) -> None:
    missing = [photo for photo in photos if photo not in known]
    if missing:
        raise UserError(
            f"CHAIR needs the {what} of every captioned photo, {len(missing)} of {len(photos)} have none "
            f"(first: {missing[0]!r}); give the {what} of the same photos (ids are compared as they are: 7 is not '7')"
        )


def _forms(words: str) -> set[str]:
    """The words and their plurals; one too many is harmless, since nobody writes it."""
    start, last = words[: words.rfind(" ") + 1], words[words.rfind(" ") + 1 :]
    plurals = {last, last + "s", last + "es"}
    plurals |= {last.removesuffix(one) + many for one, many in PLURALS.items() if last.endswith(one)}
    for one, many in (("y", "ies"), ("f", "ves"), ("fe", "ves"), ("man", "men")):
        if last.endswith(one):
            plurals.add(last.removesuffix(one) + many)
    return {start + form for form in plurals}
