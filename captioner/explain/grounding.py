"""Do captions look at what they name? Every word that names an object of the photo, and what its map has on that object.

Shapes: R regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from captioner.data.instances import Instance, Instances
from captioner.explain.agreement import Overlap
from captioner.explain.areas import area_of
from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.regions import Layout, Placement
from captioner.search import Caption
from captioner.text.objects import ObjectWords

SIZES: dict[str, float] = {"small": 32**2 / (640 * 480), "medium": 96**2 / (640 * 480), "large": 1.0}
"""The largest share of the photo: COCO's 32 x 32 and 96 x 96 pixels, taken of a photo of 640 x 480."""

OFFSETS = range(-2, 3)
"""Maps are measured so many words after the word that names the object: how far a decoder looks ahead or behind is measured too."""


@dataclass(frozen=True)
class Look:
    """A word of a caption that names an object which is in the photo and in the network's view."""

    photo: int  # place of the photo in the list of photos
    caption: Caption
    place: int  # of the word, the last one of several
    category: str
    size: str  # of all objects of the category together
    overlap: Overlap

    @property
    def word(self) -> str:
        return self.caption.words[self.place]

    @property
    def map(self) -> Tensor:
        """(R,)"""
        return self.map_at(0)

    def has(self, offset: int) -> bool:
        return 0 <= self.place + offset < len(self.caption.words)

    def map_at(self, offset: int) -> Tensor:
        """(R,): of the word so many words later."""
        assert self.caption.weights is not None
        return self.caption.weights[self.place + offset]


@dataclass
class ObjectPlaces:
    """Where the objects of photos lie among regions; each is worked out once.

    Args:
        instances: the objects.
        photos: image ids, in the order of the photos.
        masks: take outlines where the file has them; otherwise boxes.
    """

    instances: Instances
    photos: Sequence[Any]
    masks: bool = False

    def __post_init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Overlap, str] | None] = {}

    def of(self, photo: int, category: str, layout: Layout, placement: Placement) -> tuple[Overlap, str] | None:
        """A category's objects of a photo, all together; None where there are none in view."""
        key = (photo, category)
        if key not in self._known:
            held = [found for found in self.instances.of_photo[self.photos[photo]] if found.category == category]
            self._known[key] = self._overlap(held, layout, placement)
        return self._known[key]

    def _overlap(self, held: Sequence[Instance], layout: Layout, placement: Placement) -> tuple[Overlap, str] | None:
        area = area_of(held, placement.photo_size, self.masks) if held else None
        if area is None:
            return None
        overlap = Overlap.of(layout, placement, area)
        share = area.size / (placement.photo_size[0] * placement.photo_size[1])
        size = next((size for size, most in SIZES.items() if share < most), "large")
        return (overlap, size) if overlap.fair_share > 0 else None


def find_looks(captions: Sequence[tuple[int, Caption]], places: ObjectPlaces, named: ObjectWords) -> list[Look]:
    """Every word of captions, given with their photos, that names an object in view."""
    looks = [
        look_at(photo, caption, mention.last, mention.category, places)
        for photo, caption in captions
        for mention in named(caption.words)
    ]
    return [look for look in looks if look is not None]


def look_at(photo: int, caption: Caption, place: int, category: str, places: ObjectPlaces) -> Look | None:
    """The look at a category's objects while the word at a place was written; None where no map could have reached them."""
    if caption.weights is None or caption.placement is None:
        return None
    found = places.of(photo, category, caption.layout, caption.placement)
    return None if found is None else Look(photo, caption, place, category, found[1], found[0])


@dataclass(frozen=True)
class Agreement:
    """How one kind of map agrees with the objects that words name, with intervals over photos."""

    num_words: int
    correctness: Estimate | None  # attention correctness: mean mass on the object
    fair_share: Estimate | None  # the uniform map's
    lift: Estimate | None  # the ratio of the two sums; 1 is a map that knows nothing
    pointing: Estimate | None  # share of maps whose heaviest region's middle lies on the object


def agreement(looks: Sequence[Look], map_of: Callable[[Look], Tensor] = lambda look: look.map) -> Agreement:
    """Measure one map (R,) of each look."""
    maps = [map_of(look)[None] for look in looks]
    masses = [float(look.overlap.masses(found)) for look, found in zip(looks, maps, strict=True)]
    hits = [float(look.overlap.hits(found)) for look, found in zip(looks, maps, strict=True)]
    fair, photos = [look.overlap.fair_share for look in looks], [look.photo for look in looks]
    return Agreement(
        num_words=len(looks),
        correctness=ratio_interval(photos, masses),
        fair_share=ratio_interval(photos, fair),
        lift=ratio_interval(photos, masses, fair),
        pointing=ratio_interval(photos, hits),
    )


def by_offset(looks: Sequence[Look]) -> dict[int, Agreement]:
    """Of the map so many words after the word that names the object; captions that are too short there are left out."""
    return {
        offset: agreement([look for look in looks if look.has(offset)], lambda look, at=offset: look.map_at(at))
        for offset in OFFSETS
    }


def by_size(looks: Sequence[Look]) -> dict[str, Agreement]:
    return {size: agreement([look for look in looks if look.size == size]) for size in SIZES}
