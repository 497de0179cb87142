"""Grounding: is the map at a word that names an object of the photo on that object?

Shapes: R regions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
"""Upper bounds of an object's share of the photo: COCO's 32 x 32 and 96 x 96 pixels, of a photo of 640 x 480."""

OFFSETS = range(-2, 3)
"""Maps are measured this many words after the word that names the object: a decoder may attend earlier or later."""


@dataclass(frozen=True)
class Mention:
    """A word of a caption that names an object which is in the photo and in the network's view."""

    photo: int  # index of the photo
    caption: Caption
    index: int  # of the word in the caption; the last word of a phrase
    category: str
    size: str  # of all objects of the category together
    overlap: Overlap  # of the regions with these objects

    @property
    def word(self) -> str:
        return self.caption.words[self.index]

    @property
    def map(self) -> Tensor:
        """(R,): the map at the word."""
        return self.map_at(0)

    def has(self, offset: int) -> bool:
        """Whether the caption has a word `offset` words later."""
        return 0 <= self.index + offset < len(self.caption.words)

    def map_at(self, offset: int) -> Tensor:
        """(R,): the map `offset` words later."""
        assert self.caption.weights is not None
        return self.caption.weights[self.index + offset]


@dataclass
class ObjectOverlaps:
    """The overlap of a photo's regions with its objects, computed once for each category.

    Args:
        instances: the objects.
        photos: image ids, in the order of the photos.
        masks: use outlines if the file has them; otherwise boxes.
    """

    instances: Instances
    photos: Sequence[Any]
    masks: bool = False

    def __post_init__(self) -> None:
        self._computed: dict[tuple[int, str], tuple[Overlap, str] | None] = {}

    def of(self, photo: int, category: str, layout: Layout, placement: Placement) -> tuple[Overlap, str] | None:
        """The overlap with all objects of a category in a photo, and their size; None if none is in view."""
        key = (photo, category)
        if key not in self._computed:
            objects = [item for item in self.instances.of_photo[self.photos[photo]] if item.category == category]
            self._computed[key] = self._overlap(objects, layout, placement)
        return self._computed[key]

    def _overlap(self, objects: Sequence[Instance], layout: Layout, placement: Placement) -> tuple[Overlap, str] | None:
        area = area_of(objects, placement.photo_size, self.masks) if objects else None
        if area is None:
            return None
        overlap = Overlap.of(layout, placement, area)
        share = area.size / (placement.photo_size[0] * placement.photo_size[1])
        size = next((size for size, bound in SIZES.items() if share < bound), "large")
        return (overlap, size) if overlap.fair_share > 0 else None


def find_mentions(
    captions: Sequence[tuple[int, Caption]], overlaps: ObjectOverlaps, object_words: ObjectWords
) -> list[Mention]:
    """Every word of the captions that names an object in view.

    Args:
        captions: each with the index of its photo.
        overlaps: of the photos' objects.
        object_words: finds the objects that a caption names.
    """
    mentions = [
        mention_at(photo, caption, named.last, named.category, overlaps)
        for photo, caption in captions
        for named in object_words(caption.words)
    ]
    return [mention for mention in mentions if mention is not None]


def mention_at(photo: int, caption: Caption, index: int, category: str, overlaps: ObjectOverlaps) -> Mention | None:
    """The mention of a category by the word at an index; None if the caption has no map, or no object is in view."""
    if caption.weights is None or caption.placement is None:
        return None
    in_view = overlaps.of(photo, category, caption.layout, caption.placement)
    if in_view is None:
        return None
    overlap, size = in_view
    return Mention(photo, caption, index, category, size, overlap)


@dataclass(frozen=True)
class Agreement:
    """How one kind of map agrees with the objects that words name, with intervals over photos."""

    num_words: int
    correctness: Estimate | None  # attention correctness: mean mass on the object
    fair_share: Estimate | None  # the same of the uniform map
    lift: Estimate | None  # the ratio of the two sums; 1 for the uniform map
    pointing: Estimate | None  # share of maps whose largest region is centred on the object


@dataclass(frozen=True)
class Gain:
    """How much more one kind of map is on the objects than another, at the same words; with intervals over photos."""

    lift: Estimate | None  # the difference of the lifts
    pointing: Estimate | None  # the difference of the shares of maps whose largest region is centred on the object


@dataclass(frozen=True)
class OnObjects:
    """Where one kind of map lies at each mention."""

    mentions: Sequence[Mention]
    masses: Sequence[float]  # of the map on the object
    hits: Sequence[float]  # 1 if the largest region is centred on the object

    @classmethod
    def of(cls, mentions: Sequence[Mention], map_of: Callable[[Mention], Tensor]) -> OnObjects:
        """Measure one map (R,) for each mention."""
        maps = [map_of(mention)[None] for mention in mentions]
        masses = [float(mention.overlap.masses(weights)) for mention, weights in zip(mentions, maps, strict=True)]
        hits = [float(mention.overlap.hits(weights)) for mention, weights in zip(mentions, maps, strict=True)]
        return cls(mentions, masses, hits)

    @property
    def photos(self) -> list[int]:
        return [mention.photo for mention in self.mentions]

    @property
    def fair_shares(self) -> list[float]:
        return [mention.overlap.fair_share for mention in self.mentions]

    def agreement(self) -> Agreement:
        return Agreement(
            num_words=len(self.mentions),
            correctness=ratio_interval(self.photos, self.masses),
            fair_share=ratio_interval(self.photos, self.fair_shares),
            lift=ratio_interval(self.photos, self.masses, self.fair_shares),
            pointing=ratio_interval(self.photos, self.hits),
        )

    def gain(self, other: OnObjects) -> Gain:
        """Compare with another kind of map at the same mentions; photos are drawn for both together, so the difference is paired."""
        masses, hits = (
            [ours - theirs for ours, theirs in zip(own, others, strict=True)]
            for own, others in ((self.masses, other.masses), (self.hits, other.hits))
        )
        return Gain(ratio_interval(self.photos, masses, self.fair_shares), ratio_interval(self.photos, hits))


def agreement(
    mentions: Sequence[Mention], map_of: Callable[[Mention], Tensor] = lambda mention: mention.map
) -> Agreement:
    """Measure one map (R,) for each mention; attention's own unless `map_of` returns another."""
    return OnObjects.of(mentions, map_of).agreement()


def by_offset(mentions: Sequence[Mention]) -> dict[int, Agreement]:
    """Agreement of the map `offset` words after the mention; mentions without such a word are skipped."""
    return {
        offset: agreement(
            [mention for mention in mentions if mention.has(offset)], lambda mention, at=offset: mention.map_at(at)
        )
        for offset in OFFSETS
    }


@dataclass(frozen=True)
class Lag:
    """The maps with the largest lift, among those of the words around the one that names the object.

    The offset is chosen at the words at which the gain is measured, and the interval does not allow for that: of maps that know nothing of
    the objects, one in ten has a gain whose interval is above 0.
    """

    offset: int  # words after the one that names the object
    num_words: int  # words that name an object and have a word at this offset
    gain: Estimate | None  # the lift at the offset minus the lift at 0, both at these words; None at offset 0


def lag(mentions: Sequence[Mention], by_offset: Mapping[int, Agreement]) -> Lag | None:
    """When the maps are on the objects; None if there is no map to measure. Of offsets that tie, the nearest to 0."""
    lifts = {offset: found.lift.value for offset, found in by_offset.items() if found.lift is not None}
    if not lifts:
        return None
    best = max(sorted(lifts, key=abs), key=lambda offset: round(lifts[offset], 6))
    chosen = [mention for mention in mentions if mention.has(best)]
    there, here = (OnObjects.of(chosen, lambda mention, at=at: mention.map_at(at)) for at in (best, 0))
    return Lag(best, len(chosen), there.gain(here).lift if best else None)


def by_size(mentions: Sequence[Mention]) -> dict[str, Agreement]:
    """Agreement by the size of the objects."""
    return {size: agreement([mention for mention in mentions if mention.size == size]) for size in SIZES}
