"""Areas of a photo: boxes, unions of boxes, masks.

Shapes: R regions, X columns and Y rows of cells. Coordinates are pixels of the original photo, continuous.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import torch
from torch import Tensor

from captioner.data.instances import Box, Instance
from captioner.errors import UserError


@dataclass(frozen=True)
class Area:
    """Cells of a grid with uneven spacing, in which both a mask of pixels and a union of boxes are exact."""

    xs: Tensor  # (X + 1,) float64, ascending
    ys: Tensor  # (Y + 1,)
    filled: Tensor  # (Y, X) boolean

    @classmethod
    def of_boxes(cls, boxes: Sequence[Box]) -> Area:
        """The union of boxes; overlaps count once."""
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
        """(R,): the part of the area inside rectangles (R, 4) of left, top, right, bottom; in square pixels."""
        left, top, right, bottom = corners.double().unbind(1)
        return self._below(right, bottom) - self._below(left, bottom) - self._below(right, top) + self._below(left, top)

    def holds(self, points: Tensor) -> Tensor:
        """(R,) boolean: points (R, 2) inside the area, border included."""
        inside = torch.zeros(len(points), dtype=torch.bool)
        for right_x, right_y in product((False, True), repeat=2):  # for a point on a line, the cells on both sides
            column = torch.searchsorted(self.xs, points[:, 0].double().contiguous(), right=right_x) - 1
            row = torch.searchsorted(self.ys, points[:, 1].double().contiguous(), right=right_y) - 1
            in_grid = (column >= 0) & (column < len(self.xs) - 1) & (row >= 0) & (row < len(self.ys) - 1)
            inside |= in_grid & self.filled[row.clamp(0, len(self.ys) - 2), column.clamp(0, len(self.xs) - 2)]
        return inside

    @property
    def size(self) -> float:
        """In square pixels."""
        return float(self._sums[-1, -1])

    @cached_property
    def _sums(self) -> Tensor:
        """(Y + 1, X + 1): the part of the area left of and above each crossing of lines."""
        cells = self.filled * self.ys.diff()[:, None] * self.xs.diff()
        return torch.nn.functional.pad(cells.cumsum(0).cumsum(1), (1, 0, 1, 0))

    def _below(self, x: Tensor, y: Tensor) -> Tensor:
        """The part of the area left of and above each point; bilinear interpolation inside a cell is exact."""
        (column, across), (row, down) = _locate(self.xs, x), _locate(self.ys, y)
        upper = torch.lerp(self._sums[row, column], self._sums[row, column + 1], across)
        lower = torch.lerp(self._sums[row + 1, column], self._sums[row + 1, column + 1], across)
        return torch.lerp(upper, lower, down)


def area_of(instances: Sequence[Instance], photo_size: tuple[int, int], masks: bool) -> Area | None:
    """The union of objects of a photo, crowds included; None if none of them has a box.

    Args:
        instances: the objects.
        photo_size: (width, height) in pixels.
        masks: use polygons and run lengths if the file has them, as pycocotools' `annToMask` does; otherwise boxes.
    """
    if masks and all(instance.segmentation for instance in instances):
        return Area.of_mask(_mask([instance.segmentation for instance in instances], *photo_size))
    boxes = [instance.box for instance in instances if instance.box is not None]
    return Area.of_boxes(boxes) if boxes else None


def _mask(segmentations: Sequence, width: int, height: int) -> Tensor:
    """(height, width) boolean: the union."""
    from pycocotools import mask as masks

    run_lengths = []
    for segmentation in segmentations:
        if not _is_segmentation(segmentation, width, height):
            raise UserError(
                "the segmentation of an object should be polygons of at least three points, or COCO's run lengths for "
                f"{height} rows and {width} columns, got {reprlib.repr(segmentation)}; correct the instances file, or leave --masks out"
            )
        if isinstance(segmentation, list):  # pycocotools fails at polygons of two points
            segmentation = [polygon for polygon in segmentation if len(polygon) >= 6]
        if isinstance(segmentation, dict) and not isinstance(segmentation["counts"], list):
            run_lengths.append(segmentation)  # compressed already
        else:
            encoded = masks.frPyObjects(segmentation, height, width)  # pyright: ignore[reportCallIssue, reportArgumentType]
            run_lengths += encoded if isinstance(encoded, list) else [encoded]
    return torch.from_numpy(masks.decode(masks.merge(run_lengths))).bool()


def _is_segmentation(segmentation: Any, width: int, height: int) -> bool:
    """Whether pycocotools, which checks little, can read it for a photo of this size."""
    if isinstance(segmentation, dict):
        counts = segmentation.get("counts")
        counts = _counts(counts) if isinstance(counts, str) else counts
        if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
            return False
        return segmentation.get("size") == [height, width] and sum(counts) == width * height
    far = 10 * max(width, height)  # a polygon's memory grows with its length
    return (
        isinstance(segmentation, list)
        and all(
            isinstance(polygon, list)
            and len(polygon) >= 4
            and all(type(value) in (int, float) and abs(value) <= far for value in polygon)
            for polygon in segmentation
        )
        and any(len(polygon) >= 6 for polygon in segmentation)
    )


def _counts(text: str) -> list[int] | None:
    """The run lengths in COCO's compressed form: signed numbers in characters of 5 bits from "0", from the fourth on as differences
    from the number two before. None if it is something else.
    """
    counts, value, bits = [], 0, 0
    for character in text:
        digit = ord(character) - ord("0")
        if not 0 <= digit < 64 or bits > 30:
            return None
        value |= (digit & 31) << bits
        bits += 5
        if not digit & 32:
            value -= (digit & 16 > 0) << bits
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, bits = 0, 0
    return counts if bits == 0 else None


def _lines(values: Tensor) -> Tensor:
    """The distinct values, sorted, and one more, so that there is at least one cell."""
    lines = values.unique()
    return torch.cat([lines, lines[-1:] + 1])


def _between(lines: Tensor, low: float, high: float) -> Tensor:
    """(cells,) boolean: the cells between `low` and `high`."""
    return (lines[:-1] >= low) & (lines[1:] <= high)


def _locate(lines: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each value, and the value's position in it, 0 to 1; values outside are clamped to the border."""
    values = values.clamp(float(lines[0]), float(lines[-1])).contiguous()
    cell = (torch.searchsorted(lines, values, right=True) - 1).clamp(0, len(lines) - 2)
    return cell, (values - lines[cell]) / (lines[cell + 1] - lines[cell])
