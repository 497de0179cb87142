"""Drawn pictures agree with their captions and boxes."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from itertools import pairwise

import numpy
import pytest
from PIL import Image
from pycocotools.coco import COCO

from captioner.data.drawn import SPLITS, drawn, instances_path
from captioner.data.shapes import COLOURS, HELD_OUT, SHAPES
from captioner.errors import UserError
from captioner.text.tokens import simple_words

COUNTS = {"num_train": 60, "num_val": 30, "num_unseen": 30}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "data"
    drawn(str(folder), **COUNTS)
    return folder


@pytest.fixture(scope="module")
def splits(root):
    return drawn(str(root), **COUNTS)


def instances(root, split: str) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(str(instances_path(root, split)))


def objects(coco: COCO, image: int) -> list[tuple[str, list[float]]]:
    return [(coco.cats[found["category_id"]]["name"], found["bbox"]) for found in coco.imgToAnns[image]]


def pairs(caption: str) -> list[str]:
    words = simple_words(caption)
    return [f"{one} {two}" for one, two in pairwise(words) if one in COLOURS and two in SHAPES]


def test_the_same_seed_draws_the_same_files_and_another_seed_others(root, tmp_path):
    drawn(str(tmp_path / "again"), **COUNTS)
    drawn(str(tmp_path / "other"), seed=1, **COUNTS)
    files = [path.relative_to(root) for path in sorted(root.rglob("*.*")) if path.name != "recipe.json"]
    assert len(files) > 100
    assert all((root / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)
    assert (root / "captions_train.json").read_bytes() != (tmp_path / "other" / "captions_train.json").read_bytes()


def test_more_pictures_leave_the_first_ones_as_they_were(root, tmp_path):
    drawn(str(tmp_path / "more"), **COUNTS | {"num_train": 70})
    images = sorted((root / "images").iterdir())
    assert all(path.read_bytes() == (tmp_path / "more" / "images" / path.name).read_bytes() for path in images)


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_hold_one_to_four_objects_no_two_alike_none_over_a_quarter(root, split):
    coco = instances(root, split)
    numbers = set()
    for image in coco.imgs.values():
        found = objects(coco, image["id"])
        numbers.add(len(found))
        assert len({name for name, _ in found}) == len(found)
        assert all(box[2] * box[3] <= image["width"] * image["height"] / 4 for _, box in found)
    assert numbers == {1, 2, 3, 4}


def test_held_out_pairs_are_in_every_unseen_picture_and_in_no_other(root):
    held_out = {" ".join(pair) for pair in HELD_OUT}
    assert len(held_out) == 4
    for split in SPLITS:
        coco = instances(root, split)
        for image in coco.imgs:
            holds = held_out & {name for name, _ in objects(coco, image)}
            assert bool(holds) == (split == "unseen")


def test_a_box_is_the_smallest_around_its_shape(root):
    coco = instances(root, "val")
    for image in list(coco.imgs.values())[:20]:
        with Image.open(root / "images" / image["file_name"]) as picture:
            pixels = numpy.asarray(picture).astype(int)
        drawn_on = (abs(pixels - pixels[0, 0]) > 8).any(-1)
        expected = numpy.zeros_like(drawn_on)
        for _, (left, top, width, height) in objects(coco, image["id"]):
            left, top, right, bottom = (round(side) for side in (left, top, left + width, top + height))
            inside = drawn_on[top:bottom, left:right]
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()
            expected[top:bottom, left:right] = True
        assert not (drawn_on & ~expected).any()


@pytest.mark.parametrize("split", SPLITS)
def test_five_different_references_name_only_what_is_there(root, splits, split):
    coco = instances(root, split)
    for example in splits[split]:
        there = {name for name, _ in objects(coco, example.id)}
        assert len(set(example.references)) == 5
        for reference in example.references:
            named = pairs(reference)
            assert named
            assert set(named) <= there
            assert len(set(named)) == len(named)
        if len(there) < 3:
            assert all(set(pairs(reference)) == there for reference in example.references)


def test_stated_relations_hold(root, splits):
    coco, stated = instances(root, "train"), 0
    for example in splits["train"]:
        centres = {name: (box[0] + box[2] / 2, box[1] + box[3] / 2) for name, box in objects(coco, example.id)}
        for reference in example.references:
            for axis, words in ((0, "left of"), (1, "above")):
                pair = f"((?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES)}))"
                found = re.search(rf"{pair} {words} a (?:small |medium |large )?{pair}$", reference)
                if found:
                    stated += 1
                    assert centres[found[1]][axis] < centres[found[2]][axis]
    assert stated > 20


def test_the_ends_that_are_named_are_the_ends(root, splits):
    coco, stated = instances(root, "train"), 0
    for example in splits["train"]:
        centres = {name: (box[0] + box[2] / 2, box[1] + box[3] / 2) for name, box in objects(coco, example.id)}
        for reference in example.references:
            for axis, (first, last) in enumerate((("on the left", "on the right"), ("at the top", "at the bottom"))):
                found = re.search(rf"{first} a (\w+ \w+) {last} a (\w+ \w+)$", reference)
                if found:
                    stated += 1
                    assert centres[found[1]][axis] == min(centre[axis] for centre in centres.values())
                    assert centres[found[2]][axis] == max(centre[axis] for centre in centres.values())
    assert stated > 20


def test_the_vocabulary_is_small_and_captions_are_short(splits):
    captions = [simple_words(reference) for example in splits["train"] for reference in example.references]
    assert len({word for caption in captions for word in caption}) < 60
    assert max(map(len, captions)) < 25


def test_another_recipe_is_not_mixed_in(root):
    with pytest.raises(UserError, match=r"choose another data\.root, or delete the folder"):
        drawn(str(root), **COUNTS | {"size": 96})


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="nothing was changed"):
        drawn(str(tmp_path), **COUNTS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_drawing_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        drawn(str(tmp_path / "data"), **COUNTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [64, 96])
def test_pictures_of_other_sizes(tmp_path, size):
    example = drawn(str(tmp_path / "data"), num_train=5, num_val=1, num_unseen=1, size=size)["train"][0]
    with Image.open(example.image) as picture:
        assert picture.size == (size, size)
    recipe = json.loads((tmp_path / "data" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["size"] == size


@pytest.mark.parametrize(
    ("option", "complaint"), [({"size": 20}, "size should be from 64 to 96"), ({"num_train": 0}, "num_train")]
)
def test_numbers_out_of_range_are_refused_before_anything_is_drawn(tmp_path, option, complaint):
    with pytest.raises(UserError, match=complaint):
        drawn(str(tmp_path / "drawn"), **option)
    assert not (tmp_path / "drawn").exists()
