"""Drawn pictures as a data set: captions and boxes are correct by construction, and drawn into a folder once.

Pictures of train and val have no held-out pair of colour and shape; every picture of `unseen` has one. Each split has a COCO
instances file too, whose categories are the pairs, such as "red circle".
"""

from __future__ import annotations

import glob
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from annotated_types import Ge, Gt, Le

from captioner.data.coco import read_splits
from captioner.data.contract import Splits
from captioner.errors import UserError
from captioner.ranges import Count
from captioner.readers import read_json

SPLITS = ["train", "val", "unseen"]

NumPictures = Annotated[int, Gt(0), Le(1_000_000)]
_FORMAT = 1  # raise it if the same arguments give other files
_RECIPE = "recipe.json"
_DAY = 24 * 60 * 60  # seconds after which an unfinished folder belongs to a program that was killed


def drawn(
    root: str = "data/drawn",
    seed: Count = 0,
    num_train: NumPictures = 4000,
    num_val: NumPictures = 300,
    num_unseen: NumPictures = 300,
    size: Annotated[int, Ge(64), Le(96)] = 80,
) -> Splits:
    """Drawn pictures of coloured shapes, with the splits train, val and unseen. They are drawn if `root` does not exist; it never holds
    incomplete data.

    Args:
        root: folder of these data alone.
        seed: random seed; a picture depends on it, on `size`, and on its split and index.
        num_train: number of training pictures.
        num_val: number of validation pictures.
        num_unseen: number of pictures of the split unseen; each shows a pair of colour and shape that the other splits never show.
        size: edge of a picture, in pixels.

    Raises:
        UserError: `root` holds other data, or was drawn with other arguments.
    """
    folder = Path(root)
    numbers = {"num_train": num_train, "num_val": num_val, "num_unseen": num_unseen}
    for name, value, low, high in [
        *((name, value, 1, 1_000_000) for name, value in numbers.items()),
        ("size", size, 64, 96),
    ]:
        if not low <= value <= high:
            raise UserError(f"{name} should be from {low} to {high:,}, got {value}")
    recipe = {"format": _FORMAT, "seed": seed, **numbers, "size": size}
    _remove_stale(folder)
    if not folder.exists():
        _draw(folder, recipe)
    _check_recipe(folder, recipe)
    return read_splits(folder, SPLITS, "captions_{split}.json", "images")


def instances_path(root: str | Path, split: str) -> Path:
    """The COCO instances file of a drawn split: the objects of each picture with their boxes."""
    return Path(root) / f"instances_{split}.json"


def _draw(folder: Path, recipe: dict[str, int]) -> None:
    """Draw into a temporary folder and rename it; if another process was faster, its data are kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent) as beside:
        unfinished = Path(beside) / folder.name
        (unfinished / "images").mkdir(parents=True)
        from captioner.data.drawn_split import draw_split  # what draws is needed once

        for split in SPLITS:
            draw_split(unfinished, split, recipe)
        write_json(unfinished / _RECIPE, recipe)
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / _RECIPE).is_file():
                raise


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8", newline="\n")


def _check_recipe(folder: Path, recipe: dict[str, int]) -> None:
    path = folder / _RECIPE
    if not path.exists():
        raise UserError(
            f"data.root should be a folder of drawn pictures, or not exist yet, got {folder} without a {_RECIPE}; "
            "nothing was changed; choose another data.root"
        )
    stored = _read_recipe(path)
    for key in recipe.keys() | stored.keys():
        wanted, came = recipe.get(key), stored.get(key)
        if wanted != came:
            raise UserError(
                f"{folder} should have been drawn with {key}={wanted}, got {key}={came}; choose another data.root, "
                "or delete the folder to draw it anew"
            )


def _read_recipe(path: Path) -> dict[str, int]:
    return read_json(path, "delete its folder to draw it anew", dict[str, int])


def _remove_stale(folder: Path) -> None:
    """Delete temporary folders of killed programs; recent ones may still be in use."""
    for unfinished in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        with suppress(FileNotFoundError):  # its program has just finished
            if time.time() - unfinished.stat().st_mtime > _DAY:
                shutil.rmtree(unfinished, ignore_errors=True)
