"""Drawn pictures: does a caption name what is there ("a red circle"), and look at it while writing the word?

A pair is a colour word directly before a shape word. It is right where the picture holds an object of that name that no
earlier pair of the caption has taken. Maps are measured, as in looks.py, for right pairs whose object is the only one of
its name: of two red circles nobody can tell which one is meant.
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
from captioner.explain.grounding import Look, ObjectPlaces, agreement, by_offset, look_at
from captioner.metrics.bootstrap import Estimate
from captioner.search.result import Caption

Object = tuple[str, Box]
"""An object of a picture: its name ("red circle"), and its box in pixels of the picture."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairAgreement:
    """How captions agree with the objects of their pictures, in words and in maps.

    None stands where there is nothing to count: no pair named, no object drawn, no map to measure. `uniform_lift` is
    1.00 as long as a map's mass and the fair share count the same regions; it cannot say whether boxes lie where objects do.
    """

    num_captions: int
    caption_accuracy: float  # share of captions that name a pair, and no pair that is wrong
    precision: float | None  # share of named pairs that are right
    recall: float | None  # share of nameable objects that are named
    num_words: int  # shape words whose map was measured
    lift: float | None  # of the shape word's map, over all measured words
    uniform_lift: float | None  # the same computation on uniform maps
    pointing: float | None  # share of maps whose largest weight lies inside the object's box
    lift_by_offset: dict[int, float | None]  # of the map this many words after the shape word; 0 is `lift` again


def named_pairs(words: Sequence[str], colours: Collection[str], shapes: Collection[str]) -> list[tuple[int, Pair]]:
    """Every colour word directly before a shape word, as (index of the shape word, (colour, shape))."""
    following = enumerate(pairwise(words), start=1)
    return [(index, (colour, shape)) for index, (colour, shape) in following if colour in colours and shape in shapes]


def agree(
    captions: Sequence[Caption],
    objects: Sequence[Sequence[Object]],
    colours: Collection[str],
    shapes: Collection[str],
) -> PairAgreement:
    """Compare captions with the objects of their pictures, `objects[i]` those of `captions[i]`.

    A map is measured where the caption has one, with its placement, and the box lies in the network's view.
    """
    _check(captions, objects)
    findings = [_find(*both, colours, shapes) for both in zip(captions, objects, strict=True)]
    num_named = sum(finding.num_named for finding in findings)
    num_right = sum(finding.num_right for finding in findings)
    num_objects = sum(finding.num_objects for finding in findings)
    looks = _looks(captions, objects, findings)
    maps = agreement(looks)
    return PairAgreement(
        num_captions=len(captions),
        caption_accuracy=sum(finding.all_right for finding in findings) / len(captions),
        precision=_ratio(num_right, num_named),
        recall=_ratio(num_right, num_objects),
        num_words=maps.num_words,
        lift=_value(maps.lift),
        uniform_lift=_value(agreement(looks, uniform_map).lift),
        pointing=_value(maps.pointing),
        lift_by_offset={offset: _value(found.lift) for offset, found in by_offset(looks).items()},
    )


def read_objects(path: Path) -> dict[int | str, list[Object]]:
    """The objects of every picture of a COCO instances file, by image id; crowds are left out.

    Raises:
        UserError: there is no such file, it is not an instances file, or it holds no objects.
    """
    found = read_instances(path).of_photo
    objects = {
        photo: [(held.category, held.box) for held in instances if held.box is not None and not held.crowd]
        for photo, instances in found.items()
    }
    if not any(objects.values()):
        raise UserError(f"{path} needs to hold objects with boxes, got none; give the instances file of these pictures")
    return objects


@dataclass(frozen=True)
class _Finding:
    """What one caption says of its picture."""

    num_named: int
    num_right: int
    num_objects: int
    clear: list[tuple[int, str]]  # shape words whose object is the only one of its name, with that name

    @property
    def all_right(self) -> bool:
        return 0 < self.num_named == self.num_right


def _find(caption: Caption, objects: Sequence[Object], colours: Collection[str], shapes: Collection[str]) -> _Finding:
    nameable = {f"{colour} {shape}" for colour in colours for shape in shapes}
    drawn = Counter(name for name, _ in objects if name in nameable)
    named = [(index, f"{colour} {shape}") for index, (colour, shape) in named_pairs(caption.words, colours, shapes)]
    right = (Counter(name for _, name in named) & drawn).total()
    first = {name: index for index, name in reversed(named)}  # a second mention has no object left to mean
    clear = [(index, name) for name, index in first.items() if drawn[name] == 1]
    return _Finding(len(named), right, drawn.total(), clear)


def _looks(
    captions: Sequence[Caption], objects: Sequence[Sequence[Object]], findings: Sequence[_Finding]
) -> list[Look]:
    """Every clear word whose map could have reached its object."""
    held = {photo: [Instance(name, box) for name, box in of_photo] for photo, of_photo in enumerate(objects)}
    places = ObjectPlaces(Instances([], held), range(len(held)))
    looks = [
        look_at(photo, caption, index, name, places)
        for photo, (caption, finding) in enumerate(zip(captions, findings, strict=True))
        for index, name in finding.clear
    ]
    return [look for look in looks if look is not None]


def _value(found: Estimate | None) -> float | None:
    return None if found is None else found.value


def _ratio(count: int, of: int) -> float | None:
    return count / of if of else None


def _check(captions: Sequence[Caption], objects: Sequence[Sequence[Object]]) -> None:
    if len(captions) != len(objects):
        raise ValueError(
            f"agree needs one list of objects for each caption, got {len(objects)} for {len(captions)} captions; "
            "an empty list stands for a picture without objects"
        )
    if not captions:
        raise ValueError("agree needs at least one caption, got none; check the split's name")
