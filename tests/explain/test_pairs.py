"""Named pairs are matched with objects one to one, and the shape word's map is what is measured."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import UserError
from captioner.explain import agree, named_pairs, read_objects
from captioner.regions import Grid, Placement
from captioner.search.result import Caption

COLOURS, SHAPES = ["red", "blue", "green"], ["circle", "square"]
LAYOUT, PLACEMENT = Grid(2, 2), Placement.whole((64, 64))
TOP_LEFT, BOTTOM_RIGHT = (0, 0, 32, 32), (32, 32, 32, 32)

names = st.builds("{} {}".format, st.sampled_from(COLOURS), st.sampled_from(SHAPES))


def caption_of(text: str, weights: torch.Tensor | None = None) -> Caption:
    """A caption with uniform maps by default."""
    words = text.split()
    return Caption(
        text=text,
        words=words,
        word_log_probs=torch.zeros(len(words)),
        end_log_prob=0.0,
        ended=True,
        weights=torch.full((len(words), 4), 0.25) if weights is None else weights,
        head_weights=None,
        sentinel=None,
        gate=None,
        attend="before",
        layout=LAYOUT,
        placement=PLACEMENT,
    )


def attending(text: str, region_of: dict[int, int]) -> Caption:
    """All weight on region `region_of[word index]`; uniform at the other words."""
    caption = caption_of(text)
    weights = caption.weights.clone()
    for index, region in region_of.items():
        weights[index] = torch.eye(4)[region]
    return replace(caption, weights=weights)


def agree_on(captions, objects):
    return agree(captions, objects, COLOURS, SHAPES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("circle", []),
        ("red circle", [(1, ("red", "circle"))]),
        ("a red circle above a blue square", [(2, ("red", "circle")), (6, ("blue", "square"))]),
        ("a red and blue circle", [(4, ("blue", "circle"))]),
        ("a red large circle", []),
        ("circle red square red", [(2, ("red", "square"))]),
    ],
)
def test_a_pair_is_a_colour_word_directly_before_a_shape_word(text, expected):
    assert named_pairs(text.split(), COLOURS, SHAPES) == expected


@settings(max_examples=50)
@given(st.lists(st.tuples(st.lists(names, max_size=4), st.lists(names, max_size=4)), min_size=1, max_size=4))
def test_precision_and_recall_agree_with_crossing_off_objects_one_by_one(pictures):
    right = exact = 0
    for named, drawn in pictures:
        left_over = list(drawn)
        for name in named:
            if name in left_over:
                left_over.remove(name)
        found = len(drawn) - len(left_over)
        right += found
        exact += found == len(named) > 0
    num_named, num_drawn = (sum(len(picture[side]) for picture in pictures) for side in (0, 1))
    captions = [caption_of(" and ".join(f"a {name}" for name in named)) for named, _ in pictures]
    agreement = agree_on(captions, [[(name, TOP_LEFT) for name in drawn] for _, drawn in pictures])
    assert agreement.num_captions == len(pictures)
    assert agreement.caption_accuracy == pytest.approx(exact / len(pictures))
    assert agreement.precision == (pytest.approx(right / num_named) if num_named else None)
    assert agreement.recall == (pytest.approx(right / num_drawn) if num_drawn else None)


@settings(max_examples=25)
@given(st.lists(st.lists(names, min_size=1, max_size=4, unique=True), min_size=1, max_size=4), st.integers(0, 99))
def test_uniform_maps_have_lift_1_whatever_the_maps(pictures, seed):
    generator = torch.Generator().manual_seed(seed)
    captions = [caption_of(" and ".join(f"a {name}" for name in drawn)) for drawn in pictures]
    captions = [
        replace(caption, weights=torch.rand(caption.weights.shape, generator=generator)) for caption in captions
    ]
    objects = [[(name, (5 * place, 7, 20, 11 + place)) for place, name in enumerate(drawn)] for drawn in pictures]
    agreement = agree_on(captions, objects)
    assert agreement.uniform_lift == pytest.approx(1, abs=1e-12)
    assert agreement.num_words == sum(map(len, pictures))
    assert agreement.lift_by_offset[0] == agreement.lift
    blind = agree_on([caption_of(caption.text) for caption in captions], objects)
    assert all(value in (None, pytest.approx(1, abs=1e-12)) for value in blind.lift_by_offset.values())


def test_a_perfect_map_lifts_by_the_objects_share_of_the_photo():
    caption = attending("a red circle above a blue square", {2: 0, 6: 3})
    agreement = agree_on([caption], [[("blue square", BOTTOM_RIGHT), ("red circle", TOP_LEFT)]])
    assert agreement.caption_accuracy == agreement.precision == agreement.recall == agreement.pointing == 1
    assert agreement.lift == pytest.approx(4)
    assert agreement.num_words == 2


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_the_lift_is_at_the_offset_to_which_the_decoder_attended(offset):
    caption = attending("there is a red circle over there now", {4 + offset: 0})
    by_offset = agree_on([caption], [[("red circle", TOP_LEFT)]]).lift_by_offset
    assert by_offset == {at: pytest.approx(4 if at == offset else 1) for at in range(-2, 3)}


def test_offsets_outside_the_caption_are_skipped():
    short, long = attending("red circle", {1: 0}), attending("a red circle here now", {2: 0, 4: 0})
    objects = [[("red circle", TOP_LEFT)]]
    assert agree_on([short], objects).lift_by_offset == {-2: None, -1: 1, 0: 4, 1: None, 2: None}
    assert agree_on([short, long], objects * 2).lift_by_offset == {-2: 1, -1: 1, 0: 4, 1: 1, 2: 4}


def test_the_lift_is_a_ratio_of_sums_over_words():
    """Masses 1 and 0 over shares 1/4 and 1/2: 4/3, where a mean of ratios would give 2."""
    captions = [attending("red circle", {1: 0}), attending("blue square", {1: 0})]
    objects = [[("red circle", TOP_LEFT)], [("blue square", (32, 0, 32, 64))]]
    agreement = agree_on(captions, objects)
    assert agreement.lift == pytest.approx(4 / 3)
    assert agreement.pointing == 0.5


def test_a_caption_that_names_no_pair_is_wrong():
    agreement = agree_on([caption_of("a picture of shapes")], [[("red circle", TOP_LEFT)]])
    assert (agreement.caption_accuracy, agreement.precision, agreement.recall) == (0, None, 0)
    assert (agreement.num_words, agreement.lift, agreement.uniform_lift, agreement.pointing) == (0, None, None, None)


def test_an_object_counts_for_a_single_mention():
    caption = attending("a red circle and a red circle", {2: 0, 6: 3})
    once = agree_on([caption], [[("red circle", TOP_LEFT)]])
    assert (once.caption_accuracy, once.precision, once.recall) == (0, 0.5, 1)
    assert (once.num_words, once.pointing) == (1, 1)
    twice = agree_on([caption], [[("red circle", TOP_LEFT), ("red circle", BOTTOM_RIGHT)]])
    assert (twice.caption_accuracy, twice.precision, twice.recall) == (1, 1, 1)
    assert twice.num_words == 0  # which of the two is meant, nobody can tell


def test_wrong_pairs_have_no_map_to_measure():
    agreement = agree_on([caption_of("a red square")], [[("red circle", TOP_LEFT), ("blue square", TOP_LEFT)]])
    assert (agreement.precision, agreement.num_words) == (0, 0)


def test_objects_that_no_pair_can_name_are_not_missed():
    assert agree_on([caption_of("a red circle")], [[("red circle", TOP_LEFT), ("person", TOP_LEFT)]]).recall == 1


@pytest.mark.parametrize(
    "missing",
    [{"weights": None}, {"placement": None}, {"placement": PLACEMENT.cropped(32, 32, (32, 32))}],
    ids=["no map", "no photo", "out of view"],
)
def test_words_without_a_map_on_the_object_still_count_as_named(missing):
    agreement = agree_on([replace(caption_of("a red circle"), **missing)], [[("red circle", TOP_LEFT)]])
    assert (agreement.caption_accuracy, agreement.num_words, agreement.lift) == (1, 0, None)


def test_the_order_of_captions_does_not_matter():
    captions = [attending("a red circle", {2: 0}), attending("a blue square", {2: 1}), caption_of("a green circle")]
    objects = [[("red circle", (3, 5, 20, 40))], [("blue square", BOTTOM_RIGHT)], [("green circle", TOP_LEFT)]]
    there, back = agree_on(captions, objects), agree_on(captions[::-1], objects[::-1])
    assert there.lift == pytest.approx(back.lift)
    assert replace(there, lift=0, lift_by_offset={}) == replace(back, lift=0, lift_by_offset={})


def test_every_caption_needs_its_objects():
    with pytest.raises(ValueError, match="got 0 for 1 captions"):
        agree_on([caption_of("a red circle")], [])
    with pytest.raises(ValueError, match="at least one caption"):
        agree_on([], [])


INSTANCES = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    "categories": [{"id": 1, "name": "red circle"}, {"id": 2, "name": "blue square"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4.5], "area": 13.5, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 64, 64], "area": 99, "iscrowd": 1},
    ],
}


def test_objects_are_read_by_image_and_nothing_is_printed(tmp_path, capfd):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(INSTANCES))
    objects = read_objects(path)
    assert objects == {7: [("blue square", (1.0, 2.0, 3.0, 4.5)), ("red circle", (0.0, 0.0, 5.0, 5.0))], 8: []}
    assert Counter(type(length) for found in objects[7] for length in found[1]) == {float: 8}
    assert capfd.readouterr() == ("", "")


CAPTIONS_FILE = {"images": [{"id": 7}], "annotations": [{"id": 1, "image_id": 7, "caption": "a red circle"}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no instances file can be read at"),
        ("{", "should be json, but is not"),
        ("[]", "got a list"),
        (json.dumps(CAPTIONS_FILE), "got a captions file"),
        (json.dumps({**INSTANCES, "categories": []}), "an annotation that names 2, which is not there"),
        (json.dumps({**INSTANCES, "annotations": []}), "needs to hold objects with boxes"),
        ("{}", "got no list of images"),
    ],
    ids=["no file", "half a file", "a list", "captions", "no categories", "no objects", "empty"],
)
def test_what_is_no_instances_file_is_refused(tmp_path, content, message):
    path = tmp_path / "file.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_objects(path)
