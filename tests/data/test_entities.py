"""Flickr30k Entities as objects of photos: a folder written as its README describes it."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from captioner.builder.taught_maps import object_maps
from captioner.commands.inspect.inputs import Request, _examples
from captioner.data.contract import Example
from captioner.data.entities import is_entities, read_entities, read_photo_objects
from captioner.data.instances import Instance
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import UserError
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary

CAPTIONS = """[/EN#11/people Two men] on [/EN#12/other a bench] look at [/EN#0/notvisual each other] .
[/EN#13/people A bearded man] sits in [/EN#14/scene the park] by [/EN#15/animals/other his dog] .
[/EN#11/people Friends] with [/EN#15/animals a puppy]
"""
XML = """<annotation><filename>7.jpg</filename><size><width>120</width><height>80</height><depth>3</depth></size>
<object><name>11</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>60</xmax><ymax>80</ymax></bndbox></object>
<object><name>11</name><name>13</name><bndbox><xmin>61</xmin><ymin>1</ymin><xmax>80</xmax><ymax>40</ymax></bndbox></object>
<object><name>15</name><bndbox><xmin>91</xmin><ymin>41</ymin><xmax>120</xmax><ymax>80</ymax></bndbox></object>
<object><name>14</name><scene>1</scene><nobndbox>0</nobndbox></object>
<object><name>12</name><scene>0</scene><nobndbox>1</nobndbox></object></annotation>"""
LEFT, MIDDLE, CORNER = (0.0, 0.0, 60.0, 80.0), (60.0, 0.0, 20.0, 40.0), (90.0, 40.0, 30.0, 40.0)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "flickr30k_entities"
    for name, text in {"Sentences/7.txt": CAPTIONS, "Annotations/7.xml": XML}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_phrases_with_boxes_are_objects(folder):
    assert is_entities(folder)
    instances = read_photo_objects(folder)
    assert instances.of_photo["7"] == [
        *[Instance(word, box) for word in ("friends", "men") for box in (LEFT, MIDDLE)],
        Instance("man", MIDDLE),
        *[Instance(word, CORNER) for word in ("dog", "puppy")],
    ]
    assert instances.categories == ["dog", "friends", "man", "men", "puppy"]
    assert (instances.files, instances.sizes) == ({"7": "7.jpg"}, {"7": (120, 80)})


@pytest.mark.parametrize(
    ("phrase", "word"), [("a red T-shirt", "shirt"), ("Two", None), ("them", None), ("a man 's arm", "arm")]
)
def test_the_last_word_names_the_object(folder, phrase, word):
    (folder / "Sentences" / "7.txt").write_text(f"[/EN#15/other {phrase}] .")
    assert read_photo_objects(folder).categories == ([] if word is None else [word])


def test_phrases_of_coco_do_not_count():
    words = ObjectWords(["tracks", "computer"], coco=False)
    assert [one.category for one in words(["a", "laptop", "computer", "on", "the", "train", "tracks"])] == [
        "computer",
        "tracks",
    ]


def test_captions_are_read_without_marks(folder):
    assert read_photo_objects(folder).captions["7"] == [
        "Two men on a bench look at each other .",
        "A bearded man sits in the park by his dog .",
        "Friends with a puppy",
    ]


def test_a_word_names_its_own_category_before_the_plural_of_another(folder):
    words = ObjectWords(read_photo_objects(folder).categories, coco=False)
    assert [one.category for one in words(["two", "men", "by", "a", "man", "with", "dogs", "and", "a", "friend"])] == [
        "men",
        "man",
        "dog",
    ]


def test_maps_are_taught_from_it(folder):
    Image.new("RGB", (120, 80)).save(folder / "7.jpg")
    example = Example(7, folder / "7.jpg", ["a man with a puppy"])
    maps = object_maps(str(folder), [example], Vocabulary(["a", "man", "with", "puppy"]), SmallCNN(size=32))
    assert maps.categories == {0: {"friends", "men", "man", "dog", "puppy"}}
    shares = torch.zeros(4, 4)
    shares[:2, 2] = 1 / 2  # 20 of 30 pixels of two regions
    torch.testing.assert_close(maps.map_of(0, "man"), shares.flatten())


def test_an_inspection_takes_its_captions_as_references(folder, tmp_path):
    examples = _examples(Request(folder, images=tmp_path), read_photo_objects(folder))
    assert [(one.id, one.image, len(one.references)) for one in examples] == [("7", tmp_path / "7.jpg", 3)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Annotations/7.xml", XML[:300], r"7.xml should be annotations of Flickr30k Entities, but is not"),
        ("Annotations/7.xml", XML.replace("<xmax>60", "<xmax>6o"), r"7.xml should be .*'6o'"),
        (
            "Annotations/7.xml",
            "<annotation/>",
            r"7.xml should be .*'' in place of a whole number in annotation/size/width",
        ),
        ("Sentences/7.txt", None, r"cannot read .*7.txt"),
        ("Annotations/7.xml", None, r"should hold an XML file for each photo, got none"),
    ],
    ids=["cut", "letters", "empty", "no sentences", "no annotations"],
)
def test_what_cannot_be_read_is_named(folder, name, text, message):
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_entities(folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"should be an instances file, or the folder of Flickr30k Entities .* got another folder"
    ):
        read_photo_objects(tmp_path)
