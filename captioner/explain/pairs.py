"""Drawn pictures: does a caption name what is there ("a red circle"), and is the map on it?

A pair is a colour word directly before a shape word. It is correct if the picture holds an object of that name that no
earlier pair of the caption has used. Maps are measured, as in grounding.py, at correct pairs whose object is the only one
of its name: with two red circles, either could be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from captioner.data.instances import Box, Instance, Instances, read_instances
from captioner.errors import UserError
from captioner.explain.baseline_maps import uniform_map
from captioner.explain.grounding import Mention, ObjectOverlaps, agreement, by_offset, mention_at
from captioner.metrics.bootstrap import Estimate
from captioner.search.result import Caption

Object = tuple[str, Box]
"""An object of a picture: its name ("red circle"), and its box in pixels of the picture."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairAgreement:
    """How captions agree with the objects of their pictures, in words and in maps.

    A number is None if there is nothing to count: no pair named, no object drawn, no map to measure. `uniform_lift` checks
    the computation: it is 1.00 if mass and fair share count the same regions.
    """

    num_captions: int
    caption_accuracy: float  # share of captions that name at least one pair, and only correct ones
    precision: float | None  # share of named pairs that are correct
    recall: float | None  # share of nameable objects that are named
    num_words: int  # shape words whose map was measured
    lift: float | None  # of the shape word's map, over all measured words
    uniform_lift: float | None  # the same computation on uniform maps
    pointing: float | None  # share of maps whose largest region is centred in the object's box
    lift_by_offset: dict[int, float | None]  # of the map this many words after the shape word; at 0 equal to `lift`


def named_pairs(words: Sequence[str], colours: Collection[str], shapes: Collection[str]) -> list[tuple[int, Pair]]:
    """Every colour word directly before a shape word, as (index of the shape word, (colour, shape))."""
    bigrams = enumerate(pairwise(words), start=1)
    return [(index, (colour, shape)) for index, (colour, shape) in bigrams if colour in colours and shape in shapes]


def agree(
    captions: Sequence[Caption],
    objects: Sequence[Sequence[Object]],
    colours: Collection[str],
    shapes: Collection[str],
) -> PairAgreement:
    """Compare captions with the objects of their pictures, `objects[i]` those of `captions[i]`.

    A map is measured if the caption has maps and a placement, and the box is in the network's view.
    """
    _check(captions, objects)
    counts = [_count(*item, colours, shapes) for item in zip(captions, objects, strict=True)]
    num_named = sum(count.num_named for count in counts)
    num_correct = sum(count.num_correct for count in counts)
    num_objects = sum(count.num_objects for count in counts)
    mentions = _mentions(captions, objects, counts)
    maps = agreement(mentions)
    return PairAgreement(
        num_captions=len(captions),
        caption_accuracy=sum(count.all_correct for count in counts) / len(captions),
        precision=_ratio(num_correct, num_named),
        recall=_ratio(num_correct, num_objects),
        num_words=maps.num_words,
        lift=_value(maps.lift),
        uniform_lift=_value(agreement(mentions, uniform_map).lift),
        pointing=_value(maps.pointing),
        lift_by_offset={offset: _value(shifted.lift) for offset, shifted in by_offset(mentions).items()},
    )


def read_objects(path: Path) -> dict[int | str, list[Object]]:
    """The objects of every picture of a COCO instances file, by image id, without crowds.

    Raises:
        UserError: there is no such file, it is not an instances file, or it holds no objects.
    """
    objects = {
        photo: [(item.category, item.box) for item in instances if item.box is not None and not item.crowd]
        for photo, instances in read_instances(path).of_photo.items()
    }
    if not any(objects.values()):
        raise UserError(f"{path} needs to hold objects with boxes, got none; give the instances file of these pictures")
    return objects


@dataclass(frozen=True)
class _Counts:
    """The pairs of one caption and the objects of its picture."""

    num_named: int
    num_correct: int
    num_objects: int
    unambiguous: list[tuple[int, str]]  # index of each shape word whose object is the only one of its name; that name

    @property
    def all_correct(self) -> bool:
        return 0 < self.num_named == self.num_correct


def _count(caption: Caption, objects: Sequence[Object], colours: Collection[str], shapes: Collection[str]) -> _Counts:
    nameable = {f"{colour} {shape}" for colour in colours for shape in shapes}
    drawn = Counter(name for name, _ in objects if name in nameable)
    named = [(index, f"{colour} {shape}") for index, (colour, shape) in named_pairs(caption.words, colours, shapes)]
    num_correct = (Counter(name for _, name in named) & drawn).total()
    first_mention = {name: index for index, name in reversed(named)}  # no object is left for a second mention
    unambiguous = [(index, name) for name, index in first_mention.items() if drawn[name] == 1]
    return _Counts(len(named), num_correct, drawn.total(), unambiguous)


def _mentions(
    captions: Sequence[Caption], objects: Sequence[Sequence[Object]], counts: Sequence[_Counts]
) -> list[Mention]:
    """Every unambiguous shape word whose object is in view."""
    instances = {photo: [Instance(name, box) for name, box in drawn] for photo, drawn in enumerate(objects)}
    overlaps = ObjectOverlaps(Instances([], instances), range(len(instances)))
    mentions = [
        mention_at(photo, caption, index, name, overlaps)
        for photo, (caption, count) in enumerate(zip(captions, counts, strict=True))
        for index, name in count.unambiguous
    ]
    return [mention for mention in mentions if mention is not None]


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _ratio(count: int, total: int) -> float | None:
    return count / total if total else None


def _check(captions: Sequence[Caption], objects: Sequence[Sequence[Object]]) -> None:
    if len(captions) != len(objects):
        raise ValueError(
            f"agree needs one list of objects for each caption, got {len(objects)} for {len(captions)} captions; "
            "an empty list stands for a picture without objects"
        )
    if not captions:
        raise ValueError("agree needs at least one caption, got none; check the split's name")
