"""Objects of photos, as COCO's instances files have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captioner.data.contract import read_json
from captioner.errors import UserError

Box = tuple[float, float, float, float]
"""COCO's (left, top, width, height), in pixels of the photo."""


@dataclass(frozen=True)
class Instance:
    """One object, or a crowd of them."""

    category: str
    box: Box | None = None
    segmentation: Any = None  # polygons, or COCO's run lengths, where the file has them
    crowd: bool = False


@dataclass(frozen=True)
class Instances:
    """What photos hold."""

    categories: list[str]
    of_photo: dict[Any, list[Instance]]  # by image id; empty where a photo holds nothing
    files: dict[Any, str] = field(default_factory=dict)  # the photos' names, where the file has them
    sizes: dict[Any, tuple[int, int]] = field(default_factory=dict)  # (width, height), where the file has them

    def held(self, photo: Any) -> frozenset[str]:
        """The categories of a photo's objects."""
        return frozenset(instance.category for instance in self.of_photo[photo])


def read_instances(path: Path) -> Instances:
    """Every photo's objects.

    Raises:
        UserError: the file is not there, or not as COCO has it.
    """
    if not path.is_file():
        raise UserError(f"no instances file can be read at {path}; check the path")
    content = read_json(path, "the instances file")
    try:
        name_of = {category["id"]: str(category["name"]) for category in content["categories"]}
        of_photo: dict[Any, list[Instance]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            of_photo[annotation["image_id"]].append(_instance(annotation, name_of))
        images = content["images"]
        files = {image["id"]: image["file_name"] for image in images if "file_name" in image}
        sizes = {image["id"]: (image["width"], image["height"]) for image in images if {"width", "height"} <= {*image}}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} should hold images (id), categories (id, name) and annotations (image_id, category_id, bbox) that name them, but "
            f"{error} is wrong or missing; give an instances file as COCO has them: a captions file has no boxes"
        ) from error
    return Instances(list(name_of.values()), of_photo, files, sizes)


def _instance(annotation: dict[str, Any], name_of: dict[Any, str]) -> Instance:
    box = None
    if "bbox" in annotation:
        left, top, width, height = map(float, annotation["bbox"])
        box = (left, top, width, height)
    crowd = bool(annotation.get("iscrowd"))
    return Instance(name_of[annotation["category_id"]], box, annotation.get("segmentation") or None, crowd)
