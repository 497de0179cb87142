"""Areas of a photo: boxes, unions of boxes, masks.

Shapes: R regions, X columns and Y rows of cells. Coordinates are pixels of the original photo, continuous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from captioner.data.instances import Box, Instance


@dataclass(frozen=True)
class Area:
    """Some cells of a grid whose lines need not be evenly spaced, so that a mask of pixels and a union of boxes are both exact."""

    xs: Tensor  # (X + 1,) float64, rising
    ys: Tensor  # (Y + 1,)
    filled: Tensor  # (Y, X) boolean

    @classmethod
    def of_boxes(cls, boxes: Sequence[Box]) -> Area:
        """The union of boxes; what lies in two of them counts once."""
        edges = torch.tensor([[x, y, x + width, y + height] for x, y, width, height in boxes], dtype=torch.float64)
        xs, ys = (_lines(edges[:, [axis, axis + 2]].flatten()) for axis in (0, 1))
        filled = torch.zeros(len(ys) - 1, len(xs) - 1, dtype=torch.bool)
        for left, top, right, bottom in edges.tolist():
            filled |= _between(ys, top, bottom)[:, None] & _between(xs, left, right)
        return cls(xs, ys, filled)

    @classmethod
    def of_mask(cls, mask: Tensor) -> Area:
        """The pixels (height, width) at which a mask is True."""
        ys, xs = (torch.arange(size + 1, dtype=torch.float64) for size in mask.shape)
        return cls(xs, ys, mask.bool())

    def inside(self, corners: Tensor) -> Tensor:
        """(R,): how much of rectangles (R, 4), given by left, top, right, bottom, the area covers, in pixels."""
        left, top, right, bottom = corners.double().unbind(1)
        return self._below(right, bottom) - self._below(left, bottom) - self._below(right, top) + self._below(left, top)

    def holds(self, points: Tensor) -> Tensor:
        """(R,) boolean: points (R, 2) that lie in the area, its border included."""
        held = torch.zeros(len(points), dtype=torch.bool)
        for right_x, right_y in product((False, True), repeat=2):  # a point on a line: the cells on both its sides
            column = torch.searchsorted(self.xs, points[:, 0].double().contiguous(), right=right_x) - 1
            row = torch.searchsorted(self.ys, points[:, 1].double().contiguous(), right=right_y) - 1
            there = (column >= 0) & (column < len(self.xs) - 1) & (row >= 0) & (row < len(self.ys) - 1)
            held |= there & self.filled[row.clamp(0, len(self.ys) - 2), column.clamp(0, len(self.xs) - 2)]
        return held

    @property
    def size(self) -> float:
        """In square pixels."""
        return float(self._sums[-1, -1])

    @cached_property
    def _sums(self) -> Tensor:
        """(Y + 1, X + 1): how much of the area lies left of and above each crossing of lines."""
        cells = self.filled * self.ys.diff()[:, None] * self.xs.diff()
        return torch.nn.functional.pad(cells.cumsum(0).cumsum(1), (1, 0, 1, 0))

    def _below(self, x: Tensor, y: Tensor) -> Tensor:
        """How much of the area lies left of and above each point: linear between lines, so that it is exact."""
        (column, across), (row, down) = _locate(self.xs, x), _locate(self.ys, y)
        upper = torch.lerp(self._sums[row, column], self._sums[row, column + 1], across)
        lower = torch.lerp(self._sums[row + 1, column], self._sums[row + 1, column + 1], across)
        return torch.lerp(upper, lower, down)


def area_of(instances: Sequence[Instance], photo_size: tuple[int, int], masks: bool) -> Area | None:
    """The union of some objects of a photo, crowds included; None where none of them has a place.

    Args:
        instances: the objects.
        photo_size: (width, height) in pixels.
        masks: take polygons and run lengths where the file has them, as pycocotools' `annToMask` does; otherwise boxes.
    """
    if masks and all(instance.segmentation for instance in instances):
        return Area.of_mask(_mask([instance.segmentation for instance in instances], *photo_size))
    boxes = [instance.box for instance in instances if instance.box is not None]
    return Area.of_boxes(boxes) if boxes else None


def _mask(segmentations: Sequence, width: int, height: int) -> Tensor:
    """(height, width) boolean: the union."""
    from pycocotools import mask as masks

    coded = []
    for found in segmentations:
        if isinstance(found, dict) and not isinstance(found["counts"], list):
            coded.append(found)  # run lengths, compressed already
        else:
            made = masks.frPyObjects(found, height, width)  # pyright: ignore[reportCallIssue, reportArgumentType]
            coded += made if isinstance(made, list) else [made]
    return torch.from_numpy(masks.decode(masks.merge(coded))).bool()


def _lines(values: Tensor) -> Tensor:
    """The values in order, each once, and one more, so that there is a cell even between equal ones."""
    lines = values.unique()
    return torch.cat([lines, lines[-1:] + 1])


def _between(lines: Tensor, low: float, high: float) -> Tensor:
    """(cells,) boolean: the cells that begin at `low` or after, and end at `high` or before."""
    return (lines[:-1] >= low) & (lines[1:] <= high)


def _locate(lines: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each value, and how far into it the value lies, 0 to 1; those outside lie at the border."""
    values = values.clamp(float(lines[0]), float(lines[-1])).contiguous()
    cell = (torch.searchsorted(lines, values, right=True) - 1).clamp(0, len(lines) - 2)
    return cell, (values - lines[cell]) / (lines[cell + 1] - lines[cell])
