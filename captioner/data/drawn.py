"""Pictures drawn here: one to four coloured shapes each, with captions and boxes that are right by construction.

Four of the twenty pairs of colour and shape are held out: no picture of train or val has one, every picture of
`unseen` does. Beside the captions stands a COCO instances file, whose categories are the pairs, such as "red circle".

Units: pixels of the picture; edges in the tables are those of a picture of 80 x 80.
"""

from __future__ import annotations

import glob
import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

from annotated_types import Ge, Le
from PIL import Image, ImageDraw, ImageStat

from captioner.data.coco import read_splits
from captioner.data.contract import Splits
from captioner.errors import UserError
from captioner.ranges import Count, Size

Points = list[tuple[float, float]]

_INK = {
    "red": (215, 35, 40),
    "green": (40, 155, 60),
    "blue": (30, 90, 220),
    "yellow": (245, 205, 0),
    "purple": (140, 45, 165),
}
_STAR = [(math.sin(turn * math.pi / 5), -math.cos(turn * math.pi / 5)) for turn in range(10)]
_OUTLINES: dict[str, Points] = {
    "circle": [(math.sin(turn * math.pi / 24), math.cos(turn * math.pi / 24)) for turn in range(48)],
    "square": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle": [(0.5, 0), (1, 1), (0, 1)],
    "star": [(x * reach, y * reach) for (x, y), reach in zip(_STAR, [1, 0.45] * 5, strict=True)],
}
"""Corners, in any unit: an outline is stretched to fill its box."""
_EDGES = {"small": (14, 16), "medium": (20, 22), "large": (28, 30)}

COLOURS = list(_INK)
SHAPES = list(_OUTLINES)
HELD_OUT = [("green", "circle"), ("yellow", "square"), ("red", "triangle"), ("blue", "star")]
SPLITS = ["train", "val", "unseen"]

_PAIRS = list(product(COLOURS, SHAPES))
_SEEN = [pair for pair in _PAIRS if pair not in HELD_OUT]

_ALONE = [
    "only {0.plain}",
    "only {0.sized}",
    "nothing but {0.plain}",
    "there is only {0.plain}",
    "one {0.bare} and nothing else",
]
_BESIDE = [
    "{0.plain} left of {1.plain}",
    "{0.sized} left of {1.sized}",
    "{0.plain} with {1.plain} to its right",
    "on the left {0.plain} on the right {1.plain}",
    "two shapes {0.plain} and {1.plain}",
]
_STACKED = [
    "{0.plain} above {1.plain}",
    "{0.sized} above {1.sized}",
    "{0.plain} with {1.plain} below it",
    "at the top {0.plain} at the bottom {1.plain}",
    "two shapes {0.plain} and {1.plain}",
]
_DIAGONAL = ["{0.plain} above and to the {side} of {1.plain}", *_STACKED[1:]]
_NUMBERS = {3: "three", 4: "four"}

_FORMAT = 1  # raise it where the same arguments give other files
_RECIPE = "recipe.json"
_MARGIN = 2  # pixels between two boxes
_SAMPLES = 8  # per pixel and direction, averaged when a shape is drawn
_FAINTEST = 16  # of 255: a pixel that a shape covers less is left alone, so that a box ends where a change can be seen
_DAY = 24 * 60 * 60  # seconds after which an unfinished folder belongs to a program that was killed


def drawn(
    root: str = "data/drawn",
    seed: Count = 0,
    num_train: Size = 4000,
    num_val: Size = 300,
    num_unseen: Size = 300,
    size: Annotated[int, Ge(64), Le(96)] = 80,
) -> Splits:
    """The splits train, val and unseen, drawn where `root` does not exist yet; half-drawn data never stand there.

    Args:
        root: the folder of these data and nothing else.
        seed: another seed gives other pictures; a picture depends on it, its split, its place there and `size`.
        num_train: pictures to train on.
        num_val: pictures to validate on.
        num_unseen: pictures that each have a pair which the other splits never show.
        size: edge of a picture.

    Raises:
        UserError: `root` holds something else, or was drawn with other arguments.
    """
    folder = Path(root)
    numbers = {"num_train": num_train, "num_val": num_val, "num_unseen": num_unseen}
    recipe = {"format": _FORMAT, "seed": seed, **numbers, "size": size}
    _remove_stale(folder)
    if not folder.exists():
        _draw(folder, recipe)
    _check_recipe(folder, recipe)
    return read_splits(folder, SPLITS, "captions_{split}.json", "images")


def instances_path(root: str | Path, split: str) -> Path:
    """The COCO instances file of a drawn split: what each picture holds, and where."""
    return Path(root) / f"instances_{split}.json"


@dataclass(frozen=True)
class Figure:
    """A shape in a picture; its box is a square that it touches on every side."""

    colour: str
    shape: str
    size: str
    left: int
    top: int
    edge: int

    @property
    def bare(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def plain(self) -> str:
        return f"a {self.bare}"

    @property
    def sized(self) -> str:
        return f"a {self.size} {self.colour} {self.shape}"

    @property
    def x(self) -> float:
        """Of the centre."""
        return self.left + self.edge / 2

    @property
    def y(self) -> float:
        """Of the centre."""
        return self.top + self.edge / 2


def compose(random: Random, split: str, size: int) -> list[Figure]:
    """One to four figures of different pairs; in `unseen` one pair at least is held out, elsewhere none."""
    first = random.choice(HELD_OUT if split == "unseen" else _SEEN)
    others = [pair for pair in (_PAIRS if split == "unseen" else _SEEN) if pair != first]
    pairs = [first, *random.sample(others, random.randint(0, 3))]
    while True:
        figures: list[Figure] = []
        for _ in range(60):  # then the last ones have no room: begin again
            figure = _figure(random, *pairs[len(figures)], size)
            if all(_stand_apart(figure, other, size) for other in figures):
                figures.append(figure)
            if len(figures) == len(pairs):
                return figures


def _figure(random: Random, colour: str, shape: str, size: int) -> Figure:
    name = random.choice(list(_EDGES))
    edge = round(random.randint(*_EDGES[name]) * size / 80)
    return Figure(colour, shape, name, random.randint(1, size - edge - 1), random.randint(1, size - edge - 1), edge)


def _stand_apart(one: Figure, other: Figure, size: int) -> bool:
    """The boxes have a margin, and the centres differ on both axes, so that every order of mention can be seen."""
    across, down = abs(one.x - other.x), abs(one.y - other.y)
    return max(across, down) >= (one.edge + other.edge) / 2 + _MARGIN and min(across, down) >= size / 16


def describe(figures: Sequence[Figure]) -> list[str]:
    """Five references; which figures each names, and in which order, follows from picture and wording alone.

    Of one or two figures every reference names all; of more, one names all, and the others those at the ends.

    Two figures are left and right, or above and below, where their centres are at least twice as far apart on that
    axis as on the other.
    """
    across = sorted(figures, key=lambda figure: figure.x)
    down = sorted(figures, key=lambda figure: figure.y)
    if len(figures) == 1:
        return [wording.format(*figures) for wording in _ALONE]
    if len(figures) == 2:
        return _describe_two(across, down)
    number = _NUMBERS[len(figures)]
    left, right, top, bottom = (figure.plain for figure in (across[0], across[-1], down[0], down[-1]))
    return [
        f"{number} shapes on the left {left} on the right {right}",
        f"{number} shapes at the top {top} at the bottom {bottom}",
        f"the leftmost of {number} shapes is {left}",
        f"among {number} shapes {top} above {bottom}",
        "from left to right " + " then ".join(figure.plain for figure in across),
    ]


def _describe_two(across: Sequence[Figure], down: Sequence[Figure]) -> list[str]:
    width, height = across[1].x - across[0].x, down[1].y - down[0].y
    if width >= 2 * height:
        return [wording.format(*across) for wording in _BESIDE]
    wordings = _STACKED if height >= 2 * width else _DIAGONAL
    side = "left" if across[0] is down[0] else "right"
    return [wording.format(*down, side=side) for wording in wordings]


def paint(random: Random, figures: Sequence[Figure], size: int) -> Image.Image:
    """The figures on a light, nearly grey ground of one colour."""
    grey = random.randint(195, 245)
    image = Image.new("RGB", (size, size), tuple(grey + random.randint(-8, 8) for _ in range(3)))
    for figure in figures:
        image.paste(_INK[figure.colour], (figure.left, figure.top), _mask(figure.shape, figure.edge))
    return image


@cache
def _mask(shape: str, edge: int) -> Image.Image:
    """(edge, edge) how much of each pixel the shape covers, 0 to 255."""
    fine = Image.new("L", (edge * _SAMPLES, edge * _SAMPLES))
    last = edge * _SAMPLES - 1
    ImageDraw.Draw(fine).polygon([(x * last, y * last) for x, y in _corners(shape)], fill=255)
    return fine.reduce(_SAMPLES).point([0] * _FAINTEST + list(range(_FAINTEST, 256)))


@cache
def _corners(shape: str) -> Points:
    """The outline, stretched to reach from 0 to 1 both ways."""
    xs, ys = zip(*_OUTLINES[shape], strict=True)
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    return [((x - min(xs)) / width, (y - min(ys)) / height) for x, y in _OUTLINES[shape]]


def _draw(folder: Path, recipe: dict[str, int]) -> None:
    """Into a folder beside this one, renamed when whole; where another process was first, its data stand."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent) as beside:
        unfinished = Path(beside) / folder.name
        (unfinished / "images").mkdir(parents=True)
        for split in SPLITS:
            _draw_split(unfinished, split, recipe)
        _write_json(unfinished / _RECIPE, recipe)
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / _RECIPE).is_file():
                raise


def _draw_split(folder: Path, split: str, recipe: dict[str, int]) -> None:
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
    _write_json(folder / f"captions_{split}.json", {"images": images, "annotations": _numbered(captions)})
    categories = [{"id": _category(*pair), "name": " ".join(pair), "supercategory": pair[1]} for pair in _PAIRS]
    annotations = {"images": images, "annotations": _numbered(instances), "categories": categories}
    _write_json(instances_path(folder, split), annotations)


def _instance(image_id: int, figure: Figure) -> dict:
    corners = [(figure.left + x * figure.edge, figure.top + y * figure.edge) for x, y in _corners(figure.shape)]
    return {
        "image_id": image_id,
        "category_id": _category(figure.colour, figure.shape),
        "bbox": [figure.left, figure.top, figure.edge, figure.edge],
        "area": round(ImageStat.Stat(_mask(figure.shape, figure.edge)).sum[0] / 255, 2),
        "iscrowd": 0,
        "segmentation": [[round(value, 2) for corner in corners for value in corner]],
    }


def _category(colour: str, shape: str) -> int:
    return _PAIRS.index((colour, shape)) + 1


def _numbered(annotations: Sequence[dict]) -> list[dict]:
    """From 1, since pycocotools takes an id of 0 for none."""
    return [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)]


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8", newline="\n")


def _check_recipe(folder: Path, recipe: dict[str, int]) -> None:
    path = folder / _RECIPE
    if not path.is_file():
        raise UserError(
            f"data.root should be a folder of drawn pictures, or not exist yet, got {folder} without a {_RECIPE}; "
            "it is left as it is: choose another data.root"
        )
    found = _read_recipe(path)
    for key in recipe.keys() | found.keys():
        wanted, came = recipe.get(key), found.get(key)
        if wanted != came:
            raise UserError(
                f"{folder} should have been drawn with {key}={wanted}, got {key}={came}; choose another data.root, "
                "or delete the folder to draw it anew"
            )


def _read_recipe(path: Path) -> dict[str, int]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); delete its folder to draw it anew") from error


def _remove_stale(folder: Path) -> None:
    """What killed programs left beside this folder; a younger one may still be at work in its own."""
    for unfinished in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        with suppress(FileNotFoundError):  # its program has just finished
            if time.time() - unfinished.stat().st_mtime > _DAY:
                shutil.rmtree(unfinished, ignore_errors=True)
