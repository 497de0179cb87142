"""A split of the drawn data set: its pictures, captions and instances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import ImageStat

from captioner.data.drawn import SPLITS, instances_path, write_json
from captioner.data.shapes import PAIRS, Figure, compose, corners, describe, mask, paint


def draw_split(folder: Path, split: str, recipe: dict[str, int]) -> None:
    """Draw the pictures of a split, and write its captions and instances."""
    images, captions, instances = [], [], []
    for index in range(recipe[f"num_{split}"]):
        random = Random(f"{recipe['seed']}/{split}/{index}")
        figures = compose(random, split, recipe["size"])
        image_id = index * len(SPLITS) + SPLITS.index(split) + 1  # unique over splits, whatever their lengths
        name = f"{split}_{image_id:06d}.png"
        paint(random, figures, recipe["size"]).save(folder / "images" / name)
        images.append({"id": image_id, "file_name": name, "width": recipe["size"], "height": recipe["size"]})
        captions += [{"image_id": image_id, "caption": reference} for reference in describe(figures)]
        instances += [_instance(image_id, figure) for figure in figures]
    write_json(folder / f"captions_{split}.json", {"images": images, "annotations": _numbered(captions)})
    categories = [{"id": _category(*pair), "name": " ".join(pair), "supercategory": pair[1]} for pair in PAIRS]
    annotations = {"images": images, "annotations": _numbered(instances), "categories": categories}
    write_json(instances_path(folder, split), annotations)


def _instance(image_id: int, figure: Figure) -> dict:
    points = [(figure.left + x * figure.edge, figure.top + y * figure.edge) for x, y in corners(figure.shape)]
    return {
        "image_id": image_id,
        "category_id": _category(figure.colour, figure.shape),
        "bbox": [figure.left, figure.top, figure.edge, figure.edge],
        "area": round(ImageStat.Stat(mask(figure.shape, figure.edge)).sum[0] / 255, 2),
        "iscrowd": 0,
        "segmentation": [[round(value, 2) for point in points for value in point]],
    }


def _category(colour: str, shape: str) -> int:
    return PAIRS.index((colour, shape)) + 1


def _numbered(annotations: Sequence[dict]) -> list[dict]:
    """From 1, since pycocotools takes an id of 0 for none."""
    return [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)]
