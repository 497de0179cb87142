"""A uniform map has lift 1, and a map on the object alone has the largest possible lift."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.data.drawn import instances_path
from captioner.data.instances import Instance, Instances, read_instances
from captioner.errors import UserError
from captioner.explain.baseline_maps import ShuffledMaps, centre_map, centre_of, other_word, uniform_map
from captioner.explain.grounding import ObjectOverlaps, OnObjects, agreement, by_offset, by_size, find_mentions, lag
from captioner.regions import Grid, Placement
from captioner.search import Caption
from captioner.text.objects import ObjectWords

LAYOUT, PLACEMENT = Grid(4, 4), Placement.whole((80, 80))
NAMED = ObjectWords(["dog", "fire hydrant"])
WORDS = ["a", "big", "dog", "by", "the", "fire", "hydrant"]  # the dog at 2, the hydrant at 6


def caption_of(weights: torch.Tensor | None, words=WORDS) -> Caption:
    weights = torch.full((len(words), 16), 1 / 16) if weights is None else weights
    empty = torch.zeros(len(words))
    return Caption(" ".join(words), words, empty, 0.0, True, weights, None, None, None, "after", LAYOUT, PLACEMENT)


def overlaps_of(*held: list[Instance]) -> ObjectOverlaps:
    instances = Instances(["dog", "fire hydrant"], dict(enumerate(held)))
    return ObjectOverlaps(instances, range(len(held)))


def cells(left: int, top: int, columns: int, rows: int) -> tuple[float, float, float, float]:
    return (20.0 * left, 20.0 * top, 20.0 * columns, 20.0 * rows)


DOG, HYDRANT = Instance("dog", cells(0, 0, 2, 1)), Instance("fire hydrant", cells(3, 2, 1, 2))


def planted(mention) -> torch.Tensor:
    return mention.overlap.shares


def test_words_are_matched_with_objects_and_phrases_measured_at_their_end():
    mentions = find_mentions([(0, caption_of(None))], overlaps_of([DOG, HYDRANT]), NAMED)
    assert [(mention.category, mention.index, mention.word, mention.size) for mention in mentions] == [
        ("dog", 2, "dog", "large"),
        ("fire hydrant", 6, "hydrant", "large"),
    ]
    assert [mention.overlap.fair_share for mention in mentions] == [2 / 16, 2 / 16]


def test_only_objects_in_view_are_measured():
    captions = [(0, caption_of(None)), (1, caption_of(None)), (2, replace(caption_of(None), weights=None))]
    away = replace(DOG, box=(200.0, 200.0, 10.0, 10.0))
    mentions = find_mentions(captions, overlaps_of([HYDRANT], [away], [DOG]), NAMED)
    assert [(mention.photo, mention.category) for mention in mentions] == [(0, "fire hydrant")]


def test_several_objects_of_a_category_are_one_area():
    other = replace(DOG, box=cells(1, 0, 2, 1))
    (mention,) = find_mentions([(0, caption_of(None, ["dogs"]))], overlaps_of([DOG, other]), NAMED)
    assert mention.overlap.fair_share == 3 / 16


box = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=30)
@given(st.lists(st.tuples(box, box), min_size=1, max_size=5))
def test_uniform_maps_have_lift_1_and_planted_maps_the_largest(photos):
    held = [[replace(DOG, box=cells(*one)), replace(HYDRANT, box=cells(*other))] for one, other in photos]
    mentions = find_mentions([(photo, caption_of(None)) for photo in range(len(photos))], overlaps_of(*held), NAMED)
    blind, knowing = agreement(mentions), agreement(mentions, planted)
    assert blind.lift.low <= 1.0 <= blind.lift.high + 1e-12
    assert (blind.lift.value, blind.lift.low) == pytest.approx((1, 1))
    assert blind.pointing.value == pytest.approx(blind.fair_share.value)
    assert knowing.correctness.value == pytest.approx(1)
    assert knowing.lift.value == pytest.approx(1 / blind.fair_share.value)
    assert knowing.pointing.value == 1


def test_shuffled_maps_are_at_the_baseline():
    """Planted maps, shuffled, on 200 photos: they lift 1 and point as often as uniform ones, within their intervals."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 3, (200, 2), generator=generator).tolist()
    held = [[replace(DOG, box=cells(left, top, 2, 2))] for left, top in corners]
    captions = [caption_of(None, ["dog"]) for _ in held]
    overlaps = overlaps_of(*held)
    mentions = find_mentions(list(enumerate(captions)), overlaps, NAMED)
    known = [
        replace(caption, weights=mention.overlap.shares[None].float())
        for caption, mention in zip(captions, mentions, strict=True)
    ]
    mentions = find_mentions(list(enumerate(known)), overlaps, NAMED)
    assert agreement(mentions).lift.value == pytest.approx(4)
    shuffled = agreement(mentions, ShuffledMaps(1))
    assert shuffled.lift.low < 1 < shuffled.lift.high
    assert shuffled.pointing.low < agreement(mentions, uniform_map).pointing.value < shuffled.pointing.high
    assert agreement(mentions, ShuffledMaps(1)) == shuffled


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_the_lift_is_where_the_decoder_attended(offset):
    weights = torch.full((7, 16), 1 / 16)
    weights[2 + offset] = torch.eye(16)[0]
    mentions = find_mentions([(0, caption_of(weights))], overlaps_of([DOG]), NAMED)
    lifts = by_offset(mentions)
    assert {at: found.lift.value for at, found in lifts.items()} == {
        at: pytest.approx(8 if at == offset else 1) for at in range(-2, 3)
    }
    best = lag(mentions, lifts)
    assert (best.offset, best.num_words) == (offset, 1)
    assert best.gain is None if offset == 0 else best.gain.value == pytest.approx(7)


def test_the_gain_of_another_word_is_computed_at_the_words_that_have_one():
    """The hydrant is the caption's last word, so only the dog has a word after it."""
    weights = torch.full((7, 16), 1 / 16)
    weights[3] = torch.eye(16)[0]
    mentions = find_mentions([(0, caption_of(weights))], overlaps_of([DOG, HYDRANT]), NAMED)
    best = lag(mentions, by_offset(mentions))
    assert (best.offset, best.num_words, best.gain.value) == (1, 1, pytest.approx(7))


def test_without_a_difference_the_word_itself_comes_first():
    mentions = find_mentions([(0, caption_of(None))], overlaps_of([DOG]), NAMED)
    assert lag(mentions, by_offset(mentions)).offset == 0
    assert lag([], by_offset([])) is None


def test_words_that_the_caption_does_not_have_are_left_out():
    mentions = find_mentions([(0, caption_of(None))], overlaps_of([DOG, HYDRANT]), NAMED)
    assert [found.num_words for found in by_offset(mentions).values()] == [2, 2, 2, 1, 1]


def test_objects_are_measured_by_size():
    small, medium = replace(DOG, box=(10.0, 10.0, 4.0, 5.0)), replace(HYDRANT, box=(10.0, 10.0, 10.0, 15.0))
    mentions = find_mentions([(0, caption_of(None)), (1, caption_of(None))], overlaps_of([small, medium], [DOG]), NAMED)
    assert {size: found.num_words for size, found in by_size(mentions).items()} == {"small": 1, "medium": 1, "large": 1}


def test_the_centre_lies_in_the_middle_of_the_photo_and_not_of_the_view():
    odd = Grid(3, 3)
    assert centre_map(odd, PLACEMENT).argmax() == 4
    assert centre_map(odd, Placement.whole((240, 80)).cropped(0, 0, (80, 80))).argmax() == 5
    (mention,) = find_mentions(
        [(0, caption_of(None, ["dog"]))], overlaps_of([replace(DOG, box=(30.0, 30.0, 20.0, 20.0))]), NAMED
    )
    assert agreement([mention], centre_of).lift.value > 1.5
    assert agreement([mention], centre_of).pointing.value == 1  # four cells tie, and all their middles lie in the box


def test_another_words_map_is_half_a_caption_away():
    weights = torch.eye(16)[:7]
    mentions = find_mentions([(0, caption_of(weights))], overlaps_of([DOG, HYDRANT]), NAMED)
    assert [int(other_word(mention).argmax()) for mention in mentions] == [5, 2]


def test_drawn_pictures_and_their_own_names(pictures):
    """References of drawn pictures name their objects: none is missed, none found that is not there."""
    instances = read_instances(instances_path(pictures, "val"))
    photos = list(instances.of_photo)
    names = [[found.category for found in instances.of_photo[photo]] for photo in photos]
    captions = [
        (photo, caption_of(None, " and ".join(f"a {name}" for name in of)[:200].split()))
        for photo, of in enumerate(names)
    ]
    mentions = find_mentions(captions, ObjectOverlaps(instances, photos), ObjectWords(instances.categories))
    assert len(mentions) == sum(map(len, names)) > 0
    outlines = find_mentions(captions, ObjectOverlaps(instances, photos, masks=True), ObjectWords(instances.categories))
    assert all(
        one.overlap.fair_share > two.overlap.fair_share - 1e-3 for one, two in zip(mentions, outlines, strict=True)
    )


@settings(max_examples=20)
@given(st.lists(st.tuples(box, box), min_size=10, max_size=14))
def test_a_gain_is_the_difference_of_two_agreements_drawn_together(photos):
    held = [[replace(DOG, box=cells(*one)), replace(HYDRANT, box=cells(*other))] for one, other in photos]
    mentions = find_mentions([(photo, caption_of(None)) for photo in range(len(photos))], overlaps_of(*held), NAMED)
    on_object, centre = OnObjects.of(mentions, planted), OnObjects.of(mentions, centre_of)
    gain = on_object.gain(centre)
    ours, theirs = on_object.agreement(), centre.agreement()
    for name in ("lift", "pointing"):
        difference, own, other = getattr(gain, name), getattr(ours, name), getattr(theirs, name)
        assert difference.value == pytest.approx(own.value - other.value)
        assert difference.photos == len(photos)
        assert difference.low <= difference.high
    nothing = centre.gain(centre)
    assert (nothing.lift.low, nothing.lift.high, nothing.pointing.low, nothing.pointing.high) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [([1, None], "an image whose id is neither a number nor a text: None"), ([7, 7], "two images with the id 7")],
)
def test_ids_of_photos_are_numbers_or_texts_and_differ(tmp_path, ids, complaint):
    path = tmp_path / "instances.json"
    images = [{"id": number, "file_name": f"{place}.jpg"} for place, number in enumerate(ids)]
    path.write_text(json.dumps({"images": images, "categories": [], "annotations": []}), encoding="utf-8")
    with pytest.raises(UserError, match=complaint):
        read_instances(path)
