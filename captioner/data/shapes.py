"""Pictures of one to four coloured shapes: composition, captions and drawing.

Four of the twenty pairs of colour and shape are held out: only the split `unseen` shows them.

Units: pixels of the picture; edges in the tables are for a picture of 80 x 80.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

from PIL import Image, ImageDraw

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
PAIRS = list(product(COLOURS, SHAPES))
_SEEN = [pair for pair in PAIRS if pair not in HELD_OUT]

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

_MARGIN = 2  # pixels between two boxes
_SAMPLES = 8  # per pixel and direction, averaged when a shape is drawn
_FAINTEST = 16  # of 255: a pixel that a shape covers less is left alone, so that a box ends where a change can be seen


@dataclass(frozen=True)
class Figure:
    """A shape in a picture. Its box is a square, and the shape touches all four sides."""

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
        """Horizontal position of the centre."""
        return self.left + self.edge / 2

    @property
    def y(self) -> float:
        """Vertical position of the centre."""
        return self.top + self.edge / 2


def compose(random: Random, split: str, size: int) -> list[Figure]:
    """One to four figures of different pairs; at least one pair is held out in `unseen`, none elsewhere."""
    first = random.choice(HELD_OUT if split == "unseen" else _SEEN)
    others = [pair for pair in (PAIRS if split == "unseen" else _SEEN) if pair != first]
    pairs = [first, *random.sample(others, random.randint(0, 3))]
    while True:
        figures: list[Figure] = []
        for _ in range(60):  # then there is no room for the rest: start again
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
    """Whether the boxes have a margin and the centres differ on both axes, so that left, right, above and below are clear."""
    across, down = abs(one.x - other.x), abs(one.y - other.y)
    return max(across, down) >= (one.edge + other.edge) / 2 + _MARGIN and min(across, down) >= size / 16


def describe(figures: Sequence[Figure]) -> list[str]:
    """Five references, which follow from the picture alone.

    With one or two figures, every reference names all of them; with more, one reference names all, and the others name the outermost.
    Two figures are left and right, or above and below, if their centres are at least twice as far apart on that axis as on the other.
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
    """Draw the figures on a light, nearly grey background."""
    grey = random.randint(195, 245)
    image = Image.new("RGB", (size, size), tuple(grey + random.randint(-8, 8) for _ in range(3)))
    for figure in figures:
        image.paste(_INK[figure.colour], (figure.left, figure.top), mask(figure.shape, figure.edge))
    return image


@cache
def mask(shape: str, edge: int) -> Image.Image:
    """(edge, edge): coverage of each pixel by the shape, 0 to 255."""
    fine = Image.new("L", (edge * _SAMPLES, edge * _SAMPLES))
    last = edge * _SAMPLES - 1
    ImageDraw.Draw(fine).polygon([(x * last, y * last) for x, y in corners(shape)], fill=255)
    return fine.reduce(_SAMPLES).point([0] * _FAINTEST + list(range(_FAINTEST, 256)))


@cache
def corners(shape: str) -> Points:
    """The outline, scaled to reach from 0 to 1 on both axes."""
    xs, ys = zip(*_OUTLINES[shape], strict=True)
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    return [((x - min(xs)) / width, (y - min(ys)) / height) for x, y in _OUTLINES[shape]]
