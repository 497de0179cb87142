"""Captions in COCO's format: a JSON file for each split, and a folder of photos."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

from captioner.data.contract import Example, Splits, clean, data_folder, in_split, name_of_split, read_json
from captioner.errors import UserError
from captioner.progress import print_note

_ADVICE = "give a captions file as COCO has them"
_KEYS = {"images": ("id", "file_name"), "annotations": ("id", "image_id", "caption")}
"""The parts of a captions file that are read: its lists, and the keys of their entries."""


def coco(
    root: str,
    captions: str = "captions_{split}.json",
    images: str = "images",
    splits: list[Literal["train", "val", "test"]] | None = None,
) -> Splits:
    """A captions file in COCO's format for each split: train, val and, if its file exists, test.

    COCO 2014 itself is `coco(root, "annotations/captions_{split}2014.json", "{split}2014")`. Examples are in the order of their image
    ids, references in the order of the file. Only photos of test may have no captions.

    Args:
        root: folder of the data.
        captions: captions file, below `root`; `{split}` stands for the name of each split.
        images: folder of the photos, below `root`; may contain `{split}`.
        splits: the splits that are read; train, val and, if its file exists, test if not given. The captions file of a single split,
            such as `[train]`, may have any name.

    Raises:
        UserError: a file is missing, or not in COCO's format.
    """
    folder = data_folder(root)
    if "{split}" not in captions and (splits is None or len(splits) > 1):
        raise UserError(
            f"data.captions should hold {{split}}, got {captions!r}; write it as in captions_{{split}}.json, or say which split "
            "this file is with data.splits=[train], [val] or [test]"
        )
    if splits is not None:
        return read_splits(folder, list(dict.fromkeys(splits)), captions, images)
    test = ["test"] if os.path.isfile(folder / in_split(captions, name_of_split(folder, captions, "test"))) else []
    return read_splits(folder, ["train", "val", *test], captions, images)


def read_splits(folder: Path, splits: Sequence[str], captions: str, images: str) -> Splits:
    """Several splits, each from its captions file; see `coco`."""
    names = {split: name_of_split(folder, captions, split) for split in splits}
    return {
        split: _read_split(folder / in_split(captions, name), folder / in_split(images, name), split == "test")
        for split, name in names.items()
    }


def read_references(path: Path) -> dict[int | str, list[str]]:
    """The captions of each image, in the order of the image ids; images without captions are left out.

    Raises:
        UserError: the file is missing, not in COCO's format, or has no captions.
    """
    index = _read_index(path, named=False)
    references: dict[int | str, list[str]] = {
        number: [clean(str(annotation.get("caption"))) for annotation in index.imgToAnns[number]]
        for number in sorted(index.imgs, key=lambda number: (isinstance(number, str), number))
        if number in index.imgToAnns
    }
    if not references:
        raise UserError(f"{path} should hold captions, got none; give a captions file as COCO has them")
    return references


def read_file_names(path: Path) -> dict[int | str, str]:
    """The file name of each image in a captions file that gives one; references alone may lack them."""
    images = _read_captions(path, named=False)["images"]
    return {image["id"]: image["file_name"] for image in images if isinstance(image.get("file_name"), str)}


def read_results(path: Path) -> dict[int | str, str]:
    """The caption of each image in COCO's result format: a list of `{"image_id", "caption"}`.

    Raises:
        UserError: the file is missing, not in COCO's format, or has an image twice.
    """
    content = read_json(path, "where the results are: captioner eval writes RUN/val/results.json")
    if not isinstance(content, list):
        raise UserError(
            f'{path} should hold a list of results, [{{"image_id": 1, "caption": "a dog"}}, ...], got {_kind_of(content)}; give '
            "the results first, and after them the captions file of the references"
        )
    captions: dict[int | str, str] = {}
    for entry in content:
        if not (
            isinstance(entry, dict)
            and type(entry.get("image_id")) in (int, str)
            and isinstance(entry.get("caption"), str)
        ):
            raise UserError(
                f"{path}: each result should have image_id (number or text) and caption (text), got {_start(entry)}; "
                "captioner eval writes such a file, caption --json another"
            )
        if entry["image_id"] in captions:
            raise UserError(f"{path}: every image should have one caption, got image_id {entry['image_id']!r} twice")
        captions[entry["image_id"]] = clean(entry["caption"])
    return captions


def _kind_of(content: Any) -> str:
    """What a JSON file holds that is not the list that was wanted."""
    if isinstance(content, dict) and _KEYS.keys() <= content.keys():
        return "an instances file" if "categories" in content else "a captions file, which holds references"
    if isinstance(content, dict) and content:
        return f"a json object with the keys {_start(', '.join(content))}"
    if isinstance(content, list) and content:
        return f"a json list of {len(content):,}, first {_start(content[0])}"
    return f"{_start(json.dumps(content))}, which holds nothing that is wanted"


def _start(entry: Any) -> str:
    text = " ".join(str(entry).split())
    return text if len(text) <= 100 else f"{text[:100]} ..."


def _read_split(captions: Path, photos: Path, may_lack_captions: bool) -> list[Example]:
    index = _read_index(captions, may_lack_captions)
    images = sorted(index.imgs.values(), key=lambda image: (isinstance(image["id"], str), image["id"]))
    examples = [_example(image, index.imgToAnns.get(image["id"], []), photos) for image in images]
    if may_lack_captions:
        return examples
    without = {example.id for example in examples if not example.references}
    rejected = without & index.rejected  # pyright: ignore[reportAttributeAccessIssue]
    if rejected:
        print_note(
            f"{captions}: {len(rejected):,} photos are left out, since all of their captions are rejected; first "
            f"id {min(rejected, key=str)}"
        )
        examples = [example for example in examples if example.id not in rejected]
    _check_captions(captions, examples)
    return examples


def _example(image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]], photos: Path) -> Example:
    references = [clean(annotation["caption"]) for annotation in annotations]
    size = (image["width"], image["height"]) if "width" in image and "height" in image else None
    return Example(image["id"], photos / image["file_name"], references, size)


def _read_index(path: Path, may_lack_captions: bool = False, named: bool = True):
    """pycocotools' index of a captions file, which is read here: pycocotools would use the system's encoding, and print.

    Args:
        may_lack_captions: whether photos may have none.
        named: whether the file is read for photos, which need a file name and captions to train on, or as references to score against.
    """
    from pycocotools.coco import COCO

    index = COCO()
    content = _read_captions(path, may_lack_captions, named)
    rejected = [annotation for annotation in content["annotations"] if annotation.get("is_rejected") is True]
    if rejected:  # as in VizWiz
        print_note(f"{path}: {len(rejected):,} captions that are marked as rejected are left out")
        content["annotations"] = [entry for entry in content["annotations"] if entry.get("is_rejected") is not True]
    index.rejected = {annotation["image_id"] for annotation in rejected}  # pyright: ignore[reportAttributeAccessIssue]
    index.dataset = content  # pyright: ignore[reportAttributeAccessIssue]
    with redirect_stdout(io.StringIO()):
        index.createIndex()
    return index


def _read_captions(path: Path, may_lack_captions: bool = False, named: bool = True) -> dict[str, list[dict]]:
    content = read_json(path, "the path of the captions file (in a config: data.root and data.captions)")
    if isinstance(content, list):
        use = (
            "to train on a list of images with captions, set data.kind=table"
            if named
            else "references are an object with the lists images and annotations, as COCO's captions files have them"
        )
        raise UserError(f"{path} should hold a list `images`, got {_kind_of(content)}; {use}")
    if may_lack_captions and isinstance(content, dict) and "images" in content:
        content.setdefault("annotations", [])  # COCO's image_info files, nocaps and VizWiz
    for name, keys in _KEYS.items():
        _check_entries(path, name, keys if named or name != "images" else ("id",), content)
    _check_ids(path, content)
    return {name: content[name] for name in _KEYS}


def _check_entries(path: Path, name: str, keys: Sequence[str], content: Any) -> None:
    if not isinstance(content, dict) or not isinstance(content.get(name), list):
        came = _start(content[name]) if isinstance(content, dict) and name in content else _kind_of(content)
        raise UserError(f"{path} should hold a list `{name}`, got {came}; {_ADVICE}")
    if name == "annotations" and content[name] and _is_instances(content[name][0]):
        raise UserError(f"{path} says where objects are (bbox, category_id) and holds no captions; {_ADVICE}")
    for entry in content[name]:
        if not isinstance(entry, dict) or not all(_fits(entry.get(key), key) for key in keys):
            wanted = ", ".join(f"{key} ({'text' if _type(key) is str else 'number or text'})" for key in keys)
            raise UserError(
                f"{path}: each of `{name}` should have {wanted}, got {_start(entry)}; "
                "give a captions file as COCO has them"
            )


def _is_instances(annotation: Any) -> bool:
    return (
        isinstance(annotation, dict) and "caption" not in annotation and bool({"bbox", "category_id"} & {*annotation})
    )


def _fits(value: Any, key: str) -> bool:
    return isinstance(value, _type(key)) and not isinstance(value, bool)  # which is an int too


def _type(key: str) -> type | tuple[type, ...]:
    return str if key in ("file_name", "caption") else (int, str)


def _check_ids(path: Path, content: dict[str, list[dict]]) -> None:
    for name in _KEYS:
        counts = Counter(entry["id"] for entry in content[name])
        if len(counts) < len(content[name]):
            twice = next(number for number, count in counts.items() if count > 1)
            raise UserError(
                f"{path}: ids of `{name}` should differ, got {twice!r} {counts[twice]} times; renumber them"
            )
    known = {image["id"] for image in content["images"]}
    strays = [annotation for annotation in content["annotations"] if annotation["image_id"] not in known]
    if strays:
        raise UserError(
            f"{path}: every caption's image_id should be the id of an image, got {len(strays)} that are not, first "
            f"{strays[0]['image_id']!r}; add the images or remove the captions"
        )


def _check_captions(path: Path, examples: list[Example]) -> None:
    if not examples:
        raise UserError(f"{path} should hold images to train or validate on, got an empty list; add some")
    bare = [example for example in examples if not example.references]
    if bare:
        raise UserError(
            f"{path}: every image to train or validate on needs a caption, got {len(bare)} of {len(examples)} without, "
            f"first id {bare[0].id} ({bare[0].image.name}); caption them or remove them from `images`"
        )
