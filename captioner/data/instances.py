"""Objects of photos, in the format of COCO's instances files."""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any

from captioner.data.contract import read_json
from captioner.errors import UserError
from captioner.readers import check_regular

_ROUNDING, _FEW = 2.0, 0.1  # pixels beyond a photo that are rounding; share of boxes that may reach further
Box = tuple[float, float, float, float]
"""COCO's (left, top, width, height), in pixels of the photo."""


@dataclass(frozen=True)
class Instance:
    """One object, or a crowd of them."""

    category: str
    box: Box | None = None
    segmentation: Any = None  # polygons or COCO's run lengths, if the file has them
    crowd: bool = False


@dataclass(frozen=True)
class Instances:
    """The objects of photos."""

    categories: list[str]
    of_photo: dict[Any, list[Instance]]  # by image id; empty for a photo without objects
    files: dict[Any, str] = field(default_factory=dict)  # file names of the photos, if given
    sizes: dict[Any, tuple[int, int]] = field(default_factory=dict)  # (width, height), if given
    captions: dict[Any, list[str]] = field(default_factory=dict)  # of the photos, if given
    of_phrases: bool = False  # the objects are those that captions name, and categories are words of captions

    def held(self, photo: Any) -> frozenset[str]:
        """The categories of a photo's objects."""
        return frozenset(instance.category for instance in self.of_photo[photo])


def read_instances(path: Path) -> Instances:
    """Read the objects of every photo.

    Raises:
        UserError: the file is missing, or not in COCO's format.
    """
    check_regular(path, "give the instances file")
    if not path.exists():
        raise UserError(f"no instances file can be read at {path}; check the path")
    content = read_json(path, "the instances file")
    try:
        return _instances(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} should be an instances file as COCO has them: images (id), categories (id, name) and annotations (image_id, "
            f"category_id, bbox) that name them, got {_came(content, error)}; give the file that says where the objects of the photos "
            "are, such as COCO's instances_val2014.json"
        ) from error


def check_size(image: Path, stated: tuple[int, int] | None, size: tuple[int, int]) -> None:
    """Raise a UserError if a photo does not have the size that its boxes were made for."""
    if stated is not None and stated != size:
        raise UserError(
            f"the boxes of {image} are those of a photo of {' x '.join(map(str, stated))} pixels, the photo has "
            f"{' x '.join(map(str, size))}; give the photos that the boxes were made for, or scale the boxes"
        )


class _Unreadable(ValueError):
    """An entry that cannot be read, in words for the user."""


def _instances(content: Any) -> Instances:
    for name in ("images", "categories", "annotations"):
        for entry in content[name]:
            if not isinstance(entry, dict):
                raise _Unreadable(f"an entry of {name} that cannot be read: {reprlib.repr(entry)}")
    images = content["images"]
    wanted = [(images, "file_name", str), (images, "width", Number), (images, "height", Number)]
    for entries, key, kind in [*wanted, (content["categories"], "name", (str, Number))]:
        for entry in entries:
            if key in entry and not isinstance(entry[key], kind):
                raise _Unreadable(f"an entry whose {key} cannot be read: {reprlib.repr(entry[key])}")
    _check_ids(images)
    name_of = {category["id"]: str(category["name"]) for category in content["categories"]}
    of_photo: dict[Any, list[Instance]] = {image["id"]: [] for image in images}
    for annotation in content["annotations"]:
        of_photo[annotation["image_id"]].append(_instance(annotation, name_of))
    files = {image["id"]: image["file_name"] for image in images if "file_name" in image}
    sizes = {image["id"]: (image["width"], image["height"]) for image in images if {"width", "height"} <= {*image}}
    _check_units(of_photo, sizes)
    return Instances(list(name_of.values()), of_photo, files, sizes)


def _check_units(of_photo: dict[Any, list[Instance]], sizes: dict[Any, tuple[int, int]]) -> None:
    """Refuse boxes that are corners, or fractions of the photo. A few boxes of real data reach beyond their photos."""
    boxes = [
        (one.box, sizes[photo]) for photo, objects in of_photo.items() if photo in sizes for one in objects if one.box
    ]
    beyond = [
        box
        for box, (width, height) in boxes
        if box[0] + box[2] > width + _ROUNDING or box[1] + box[3] > height + _ROUNDING
    ]
    if len(beyond) > max(2, _FEW * len(boxes)):
        raise _Unreadable(
            f"{len(beyond):,} of {len(boxes):,} boxes that reach beyond their photos, first {beyond[0]}: a bbox is left, top, width and "
            "height, not the corners"
        )
    if boxes and all(max(box) <= 1 for box, _ in boxes) and any(max(size) > 1 for _, size in boxes):
        raise _Unreadable("boxes below 1 pixel: a bbox is in pixels, not in fractions of the photo")


def _check_ids(images: list[dict[str, Any]]) -> None:
    odd = next((image["id"] for image in images if type(image["id"]) not in (int, str)), ...)
    if odd is not ...:
        raise _Unreadable(f"an image whose id is neither a number nor a text: {reprlib.repr(odd)}")
    counts = Counter(image["id"] for image in images)
    if len(counts) < len(images):
        raise _Unreadable(f"two images with the id {counts.most_common(1)[0][0]!r}")


def _came(content: Any, error: Exception) -> str:
    """What a file contains instead of instances, in words."""
    if not isinstance(content, dict):
        return "a list, as a results file is" if isinstance(content, list) else f"a json {type(content).__name__}"
    lists = {name: content.get(name) for name in ("images", "categories", "annotations")}
    if _holds_captions(lists["annotations"]):
        return "a captions file, which does not say where objects are"
    missing = [name for name, found in lists.items() if not isinstance(found, list)]
    if missing:
        return f"no list of {' and none of '.join(missing)}"
    if isinstance(error, _Unreadable):
        return str(error)
    if not isinstance(error, KeyError):
        return "an id that is neither a number nor a text"
    (key,) = error.args
    known = key in ("id", "name", "image_id", "category_id")
    return f"an entry without {key}" if known else f"an annotation that names {key!r}, which is not there"


def _holds_captions(annotations: Any) -> bool:
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    return isinstance(first, dict) and "caption" in first and "category_id" not in first


def _instance(annotation: dict[str, Any], name_of: dict[Any, str]) -> Instance:
    box = _box(annotation) if "bbox" in annotation else None
    crowd = bool(annotation.get("iscrowd"))
    return Instance(name_of[annotation["category_id"]], box, annotation.get("segmentation") or None, crowd)


def _box(annotation: dict[str, Any]) -> Box:
    try:
        box = annotation["bbox"]
        if not isinstance(box, list) or not all(type(number) in (int, float) for number in box):
            raise TypeError("it is no list of numbers")
        left, top, width, height = map(float, box)
        if not all(map(math.isfinite, (left, top, width, height))) or width < 0 or height < 0:
            raise ValueError("it is infinite or not a number, or has a negative size")
    except (TypeError, ValueError) as error:
        raise _Unreadable(
            f"an annotation that cannot be read: the bbox of id {annotation.get('id')!r} should be 4 numbers, left, top, width and height, "
            f"got {reprlib.repr(annotation['bbox'])}"
        ) from error
    return left, top, width, height
