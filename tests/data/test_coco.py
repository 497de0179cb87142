"""COCO's captions files become examples, or an error that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from captioner.data import KINDS
from captioner.data.coco import coco
from captioner.errors import UserError


def lay_out(root: Path, name: str = "captions_{split}.json", images: str = "images") -> dict:
    """A small COCO: two photos to train on, one to validate."""
    contents = {}
    for split, numbers in (("train", (2, 1)), ("val", (3,))):
        folder = root / images.replace("{split}", split)
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            Image.new("RGB", (4, 4)).save(folder / f"{number}.png")
        contents[split] = {
            "info": {},
            "images": [{"id": number, "file_name": f"{number}.png"} for number in numbers],
            "annotations": [
                {"id": 10 * number + copy, "image_id": number, "caption": f"Photo\n {number},  copy {copy}."}
                for number in numbers
                for copy in range(2)
            ],
        }
        write(root, split, contents[split], name)
    return contents


def write(root: Path, split: str, content, name: str = "captions_{split}.json") -> None:
    path = root / name.replace("{split}", split)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_photos_come_with_their_references_cleaned_of_line_breaks(tmp_path):
    lay_out(tmp_path)
    splits = coco(str(tmp_path))
    assert list(splits) == ["train", "val"]
    assert [example.id for example in splits["train"]] == [1, 2]
    assert splits["val"][0].references == ["Photo 3, copy 0.", "Photo 3, copy 1."]
    assert splits["val"][0].image == tmp_path / "images" / "3.png"


def test_cocos_own_layout(tmp_path):
    lay_out(tmp_path, "annotations/captions_{split}2014.json", "{split}2014")
    splits = KINDS["coco"](str(tmp_path), "annotations/captions_{split}2014.json", "{split}2014")
    assert splits["train"][0].image == tmp_path / "train2014" / "1.png"


def spoil(content: dict, kind: str):
    if kind == "text":
        return "image,caption"
    if kind == "list":
        return []
    if kind == "instances":
        return {"images": content["images"], "annotations": [{"id": 1, "image_id": 3, "bbox": [0, 0, 1, 1]}]}
    if kind == "bare":
        return {**content, "annotations": []}
    if kind == "stray":
        return {**content, "annotations": [*content["annotations"], {"id": 99, "image_id": 77, "caption": "a"}]}
    if kind == "twice":
        return {**content, "images": content["images"] * 2}
    raise AssertionError(kind)


COMPLAINTS = {
    "text": "should be json",
    "list": "should hold a list `images`",
    "instances": "says where objects are",
    "bare": "1 of 1 without, first id 3",
    "stray": "1 that are not, first 77",
    "twice": "should differ, got 3 2 times",
}


@pytest.mark.parametrize("kind", COMPLAINTS)
def test_a_bad_captions_file_is_named(tmp_path, kind):
    contents = lay_out(tmp_path)
    write(tmp_path, "val", spoil(contents["val"], kind))
    with pytest.raises(UserError, match=COMPLAINTS[kind]):
        coco(str(tmp_path))


def test_an_error_for_a_missing_folder_or_file_has_its_path(tmp_path):
    with pytest.raises(UserError, match=r"no data folder at .*nowhere; set data\.root"):
        coco(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"cannot read .*captions_train\.json .*check the path of the captions file"):
        coco(str(tmp_path))
