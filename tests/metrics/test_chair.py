"""CHAIR against values computed by hand; the words that name objects, with known pitfalls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.data.drawn import drawn, instances_path
from captioner.data.instances import Instance, Instances, read_instances
from captioner.data.shapes import COLOURS, SHAPES
from captioner.errors import UserError
from captioner.metrics import chair_scores
from captioner.text.object_synonyms import SYNONYMS
from captioner.text.objects import ObjectWords
from captioner.text.tokens import simple_words

COCO = ObjectWords(SYNONYMS)
INSTANCES = Instances(list(SYNONYMS), {1: [Instance("dog"), Instance("frisbee")], 2: [], 3: [Instance("person")]})
REFERENCES = {1: ["a puppy on a couch"], 2: ["two trains"], 3: ["a man waits"]}


def named(caption: str) -> list[str]:
    return [category for _, _, category in COCO(simple_words(caption))]


def test_chair_worked_out_by_hand():
    captions = {1: "A dog and a cat with a frisbee on a sofa", 2: "a train beside cats, a bench", 3: "nothing to see"}
    found = chair_scores(captions, REFERENCES, INSTANCES)
    assert found.row == {"CHAIR_i": 3 / 7, "CHAIR_s": 2 / 3, "object recall": 2 / 3}
    assert [mention.named for mention in found.mentions[2] if not mention.present] == [
        (3, "cats", "cat"),
        (5, "bench", "bench"),
    ]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a hot dog", ["hot dog"]),
        ("hot dogs and a hot, tired dog", ["hot dog", "dog"]),
        ("a baby elephant", ["elephant"]),
        ("baby elephants", ["elephant"]),
        ("a baby", ["person"]),
        ("a bear cub and an adult bear", ["bear", "bear"]),
        ("a baby animal", []),
        ("on the train tracks", []),
        ("a train on the train track", ["train"]),
        ("passenger trains and a passenger jet", ["train", "airplane"]),
        ("a passenger", ["person"]),
        ("the toilet seat", ["toilet"]),
        ("the seat of the toilet", ["toilet"]),
        ("a seat", ["chair"]),
        ("a bow tie", ["tie"]),
        ("a teddy bear", ["teddy bear"]),
        ("at home plate", []),
        ("two wine glasses", ["wine glass"]),
        ("a pair of glasses", []),
        ("men, women, children and grandchildren", ["person"] * 4),
        ("people on buses", ["person", "bus"]),
        ("knives, mice, geese, oxen", ["knife", "mouse", "bird", "cow"]),
        ("puppies on couches and benches", ["dog", "couch", "bench"]),
        ("the dog's bowl", ["dog", "bowl"]),
        ("a stove top oven", ["oven"]),
        ("skis", ["skis"]),
        ("a stop-sign", ["stop sign"]),
        ("TVs", ["tv"]),
        ("a traffic jam", []),
        ("", []),
    ],
)
def test_a_caption_names_these_objects(caption, expected):
    assert named(caption) == expected


@pytest.mark.parametrize("category", SYNONYMS)
def test_every_word_of_the_table_names_its_category_and_no_other(category):
    words = [category, *filter(None, SYNONYMS[category].split(", "))]
    assert len(words) == len(set(words))
    for word in words:
        assert named(f"the {word} there") == [category]


def test_the_table_has_cocos_categories():
    assert len(SYNONYMS) == 80


def test_other_categories_are_named_by_their_own_names(tmp_path):
    drawn(str(tmp_path / "drawn"), num_train=1, num_val=5, num_unseen=1)
    instances = read_instances(instances_path(tmp_path / "drawn", "val"))
    assert sorted(instances.categories) == sorted(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
    assert len(instances.of_photo) == 5
    photo = next(iter(instances.of_photo))
    there = instances.held(photo)
    right = next(iter(there))
    wrong = next(name for name in instances.categories if name not in there)
    found = chair_scores({photo: f"a {right} left of two {wrong}s"}, {photo: ["a picture"]}, instances)
    assert (found.row["CHAIR_i"], found.row["CHAIR_s"]) == (1 / 2, 1)
    assert ObjectWords(["train track"])(["a", "train", "track"]) == [(1, "train track", "train track")]
    assert ObjectWords(["jet", "airplane"])(["two", "jets", "planes"]) == [
        (1, "jets", "jet"),
        (2, "planes", "airplane"),
    ]
    assert ObjectWords(["alarm_clock"])(["alarm", "clocks"]) == [(0, "alarm clocks", "alarm_clock")]
    for caption in (["t", "shirt"], ["t-shirts"]):
        assert [named.category for named in ObjectWords(["T-shirt"])(caption)] == ["T-shirt"]
    assert [named.category for named in ObjectWords(["dog"], {"dog": ["wet  hound"]})(["wet", "hound"])] == ["dog"]
    assert ObjectWords(["Bench"])(["benches"]) == [(0, "benches", "Bench")]


def test_cocos_categories_have_their_words_in_capitals_too():
    named = ObjectWords(["Dog", "Person"])
    assert [found.category for found in named(["two", "puppies", "and", "a", "man"])] == ["Dog", "Person"]
    named = ObjectWords(["Toilet", "Chair", "Elephant", "Person"])
    captions = {"a toilet with its seat up": ["Toilet"], "a toilet seat": [], "a baby elephant": ["Elephant"]}
    lower = ObjectWords(["toilet", "chair", "elephant", "person"])
    for caption in captions:
        found = [each.category for each in named(caption.split())]
        assert [name.lower() for name in found] == [each.category for each in lower(caption.split())]


def test_characters_name_no_objects():
    instances = Instances(["dog"], {1: [Instance("dog")]})
    with pytest.raises(
        UserError, match="got tokens=characters, which cuts words into characters; score with --tokens ptb"
    ):
        chair_scores({1: "a dog"}, {1: ["a dog"]}, instances, "characters")
    one_letter = Instances(["狗"], {1: [Instance("狗")]})
    assert chair_scores({1: "一只狗"}, {1: ["狗"]}, one_letter, "characters").row["object recall"] == 1
    translated = ObjectWords(["dog"], {"dog": ["狗"]})
    assert chair_scores({1: "一只狗"}, {1: ["狗"]}, instances, "characters", translated).row["object recall"] == 1


def test_only_categories_of_the_instances_count():
    assert ObjectWords(["dog"])(["a", "cat", "and", "a", "hot", "dog", "and", "a", "baby", "elephant"]) == [
        (5, "dog", "dog")
    ]


@given(st.dictionaries(st.sampled_from([1, 2, 3]), st.text(alphabet="adogct s", max_size=12), min_size=1))
def test_chair_is_a_share_whatever_is_written(captions):
    found = chair_scores(captions, REFERENCES, INSTANCES)
    assert all(0 <= value <= 1 for value in found.row.values())


@given(st.permutations([1, 2, 3]))
def test_the_order_of_photos_does_not_matter(order):
    captions = {1: "a cat", 2: "a train", 3: "two men"}
    assert (
        chair_scores({photo: captions[photo] for photo in order}, REFERENCES, INSTANCES).row
        == chair_scores(captions, REFERENCES, INSTANCES).row
    )


def test_a_reference_never_hallucinates():
    found = chair_scores({photo: of[0] for photo, of in REFERENCES.items()}, REFERENCES, INSTANCES)
    assert (found.row["CHAIR_i"], found.row["CHAIR_s"]) == (0, 0)


def test_an_error_says_what_is_missing():
    with pytest.raises(UserError, match="at least one caption"):
        chair_scores({}, REFERENCES, INSTANCES)
    with pytest.raises(
        UserError, match=r"needs the references of every captioned photo, 1 of 2 have none \(first: 9\)"
    ):
        chair_scores({1: "a", 9: "b"}, REFERENCES, INSTANCES)
    with pytest.raises(UserError, match="needs the instances of every captioned photo"):
        chair_scores({9: "b"}, {9: ["a"]}, INSTANCES)


IMAGES, CATEGORIES = [{"id": 1}], [{"id": 3, "name": "dog"}]
CONTENT = {"images": IMAGES, "categories": CATEGORIES}


def with_annotation(**changes):
    return {**CONTENT, "annotations": [{"image_id": 1, "category_id": 3, **changes}]}


def test_instances_are_read_as_coco_has_them(tmp_path):
    path = tmp_path / "instances.json"
    annotations = [{"image_id": 1, "category_id": 3}, {"image_id": 1, "category_id": 3}]
    path.write_text(json.dumps({"images": [*IMAGES, {"id": 2}], "categories": CATEGORIES, "annotations": annotations}))
    assert read_instances(path) == Instances(["dog"], {1: [Instance("dog")] * 2, 2: []})


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ([{"image_id": 1, "caption": "a dog"}], "a list, as a results file is"),
        ("text", "a json str"),
        ({}, "no list of images and none of categories and none of annotations"),
        ({"images": IMAGES, "annotations": [{"image_id": 1, "caption": "a dog"}]}, "a captions file"),
        ({"images": IMAGES, "annotations": []}, "no list of categories"),
        ({"images": [{}], "categories": CATEGORIES, "annotations": []}, "an entry without id"),
        ({**CONTENT, "annotations": [7]}, "an entry of annotations that cannot be read: 7"),
        (with_annotation(category_id=[3]), "an id that is neither a number nor a text"),
        ({**CONTENT, "annotations": [{"image_id": 2, "category_id": 3}]}, "an annotation that names 2,"),
        ({**CONTENT, "annotations": [{"image_id": 1, "category_id": 4}]}, "an annotation that names 4,"),
        (with_annotation(id=9, bbox=[1, 2]), r"an annotation .*: the bbox of id 9 should be 4 numbers.*, got \[1, 2\]"),
        (with_annotation(id=9, bbox=None), "an annotation .*: the bbox of id 9 should be 4 numbers.*, got None"),
        (
            with_annotation(id=9, bbox=[1, 2, 3, 1e999]),
            "an annotation .*: the bbox of id 9 should be 4 numbers.*, got ",
        ),
        (
            {**with_annotation(), "images": [{"id": 1, "file_name": [1]}]},
            r"an entry whose file_name cannot be read: \[1\]",
        ),
        ({**with_annotation(), "images": [{"id": 1, "width": "9"}]}, "an entry whose width cannot be read: '9'"),
        (
            {**with_annotation(), "categories": [{"id": 3, "name": ["a"]}]},
            r"an entry whose name cannot be read: \['a'\]",
        ),
        (with_annotation(bbox="wide", caption="a dog"), "an annotation .*: the bbox of id None .*, got 'wide'"),
    ],
)
def test_a_file_that_holds_no_instances_is_named(tmp_path, content, wrong):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    with pytest.raises(
        UserError, match=rf"instances\.json should be an instances file .*, got {wrong}.*; give the file"
    ):
        read_instances(path)
