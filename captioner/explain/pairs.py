"""Drawn pictures: does a caption name what is there ("a red circle"), and look at it while writing the word?

A pair is a colour word directly before a shape word. It is right where the picture holds an object of that name that no
earlier pair of the caption has taken. Maps are measured for right pairs whose object is the only one of its name: of
two red circles nobody can tell which one is meant.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from captioner.data.instances import Box, read_instances
from captioner.errors import UserError
from captioner.explain.agreement import OFFSETS, box_masses, fair_share, lift, points_inside
from captioner.search.caption import Caption

Object = tuple[str, Box]
"""An object of a picture: its name ("red circle"), and its box in pixels of the picture."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairAgreement:
    """How captions agree with the objects of their pictures, in words and in maps.

    None stands where there is nothing to count: no pair named, no object drawn, no map to measure.
    """

    num_captions: int
    caption_accuracy: float  # share of captions that name a pair, and no pair that is wrong
    precision: float | None  # share of named pairs that are right
    recall: float | None  # share of nameable objects that are named
    num_words: int  # shape words whose map was measured
    lift: float | None  # of the shape word's map, over all measured words
    uniform_lift: float | None  # the same computation on uniform maps: 1.00, or this code is wrong
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
    looks = [look for finding in findings for look in finding.looks]
    uniform_looks = [replace(look, masses=look.uniform_masses) for look in looks]
    return PairAgreement(
        num_captions=len(captions),
        caption_accuracy=sum(finding.all_right for finding in findings) / len(captions),
        precision=_ratio(num_right, num_named),
        recall=_ratio(num_right, num_objects),
        num_words=len(looks),
        lift=_lift(looks, offset=0),
        uniform_lift=_lift(uniform_looks, offset=0),
        pointing=_ratio(sum(look.points for look in looks), len(looks)),
        lift_by_offset={offset: _lift(looks, offset) for offset in OFFSETS},
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
class _Look:
    """A shape word, and what its caption's maps have inside the one object it can mean."""

    index: int  # of the shape word
    masses: Tensor  # (T,)
    uniform_masses: Tensor  # (T,) had all maps been uniform
    fair_share: float
    points: float  # whether the shape word's map does, at the object; of regions that tie, the share


@dataclass(frozen=True)
class _Finding:
    """What one caption says of its picture."""

    num_named: int
    num_right: int
    num_objects: int
    looks: list[_Look]

    @property
    def all_right(self) -> bool:
        return 0 < self.num_named == self.num_right


def _find(caption: Caption, objects: Sequence[Object], colours: Collection[str], shapes: Collection[str]) -> _Finding:
    nameable = {f"{colour} {shape}" for colour in colours for shape in shapes}
    drawn = Counter(name for name, _ in objects if name in nameable)
    named = [(index, f"{colour} {shape}") for index, (colour, shape) in named_pairs(caption.words, colours, shapes)]
    right = (Counter(name for _, name in named) & drawn).total()
    first = {name: index for index, name in reversed(named)}  # a second mention has no object left to mean
    box_of = dict(objects)
    clear = [(index, box_of[name]) for name, index in first.items() if drawn[name] == 1]
    looks = [look for index, box in clear for look in _look(caption, index, box)]
    return _Finding(len(named), right, drawn.total(), looks)


def _look(caption: Caption, index: int, box: Box) -> list[_Look]:
    """The look at the box while the word was written; none where no map could have reached it."""
    if caption.weights is None or caption.placement is None:
        return []
    where = (caption.layout, caption.placement, box)
    by_chance = fair_share(*where)
    if by_chance == 0:
        return []
    masses = box_masses(caption.weights, *where)
    uniform_masses = box_masses(torch.full_like(caption.weights, 1 / caption.layout.num_regions), *where)
    points = float(points_inside(caption.weights[index : index + 1], *where))
    return [_Look(index, masses, uniform_masses, by_chance, points)]


def _lift(looks: Sequence[_Look], offset: int) -> float | None:
    """Of the maps `offset` words after the shape words; a look whose caption has no such word is skipped."""
    reached = [look for look in looks if 0 <= look.index + offset < len(look.masses)]
    if not reached:
        return None
    masses = torch.stack([look.masses[look.index + offset] for look in reached])  # (words,)
    return lift(masses, masses.new_tensor([look.fair_share for look in reached]))


def _ratio(count: float, of: int) -> float | None:
    return count / of if of else None


def _check(captions: Sequence[Caption], objects: Sequence[Sequence[Object]]) -> None:
    if len(captions) != len(objects):
        raise ValueError(
            f"agree needs one list of objects for each caption, got {len(objects)} for {len(captions)} captions; "
            "an empty list stands for a picture without objects"
        )
    if not captions:
        raise ValueError("agree needs at least one caption, got none; check the split's name")
