"""Regions of a photo, their layout in the network's view, and the placement of that view on the photo.

Shapes: B photos, R regions, D region feature.
Coordinates are continuous: a picture of width w spans 0 to w, and pixel i covers i to i + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

SLIVER = 1e-6
"""A smaller share of a region's width or height is rounding."""


@dataclass(frozen=True)
class Grid:
    """Regions that tile the network's view, row by row from the top left corner."""

    rows: int
    columns: int

    @property
    def num_regions(self) -> int:
        return self.rows * self.columns

    def corners(self) -> Tensor:
        """(R, 4) float64: left, top, right, bottom of each region, as fractions of the view. Neighbours share exactly the same edge."""
        top, left = torch.meshgrid(torch.arange(self.rows), torch.arange(self.columns), indexing="ij")
        left, top = left.flatten().double(), top.flatten().double()
        return torch.stack(
            [left / self.columns, top / self.rows, (left + 1) / self.columns, (top + 1) / self.rows], dim=1
        )

    def select(self, photos: Tensor | slice) -> Grid:
        return self

    def to(self, device: torch.device | None) -> Grid:
        return self

    def of_photo(self, index: int) -> Grid:
        return self


@dataclass(frozen=True)
class Boxes:
    """Regions that a detector returned."""

    fractions: Tensor  # (B, R, 4), or (R, 4) of one photo: left, top, right, bottom as fractions of the view
    cells: int | None = None  # of the square that stands for the view where lengths are counted in regions; None: R

    @property
    def num_regions(self) -> int:
        return self.fractions.shape[-2]

    def corners(self) -> Tensor:
        """(R, 4) of one photo, as fractions of the view."""
        if self.fractions.dim() != 2:
            raise ValueError(
                f"corners() describes one photo, this holds {len(self.fractions)}; take .of_photo(i) first"
            )
        return self.fractions

    def select(self, photos: Tensor | slice) -> Boxes:
        return replace(self, fractions=self.fractions[photos])

    def to(self, device: torch.device | None) -> Boxes:
        return replace(self, fractions=self.fractions.to(device))

    def of_photo(self, index: int) -> Boxes:
        return replace(self, fractions=self.fractions[index])


Layout = Grid | Boxes


def centres(layout: Layout, like: Tensor) -> Tensor:
    """(1 or B, R, 2): the centre of each region, in regions from the left and from the top, on the device of `like`."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    if isinstance(layout, Grid):
        region = torch.arange(layout.num_regions, device=like.device)
        return torch.stack([region % layout.columns, region // layout.columns], -1)[None].to(dtype) + 0.5
    corners = layout.fractions.to(like.device, dtype)
    return (corners[..., :2] + corners[..., 2:]) / 2 * corners.new_tensor(extent_of(layout))


def extent_of(layout: Layout) -> tuple[float, float]:
    """Width and height of the view, in regions; for boxes, as if the view were a square of `cells` cells."""
    if isinstance(layout, Grid):
        return float(layout.columns), float(layout.rows)
    side = (layout.cells or layout.num_regions) ** 0.5
    return side, side


@dataclass(frozen=True)
class Regions:
    """Features, mask and layout that an encoder returns for a batch of photos."""

    features: Tensor  # (B, R, D)
    mask: Tensor  # (B, R) True = a real region
    layout: Layout
    whole: Tensor | None = None  # (B, W) what decoders read in place of the mean region

    @classmethod
    def full(cls, features: Tensor, layout: Layout) -> Regions:
        """Regions that are all real."""
        return cls(features, torch.ones(features.shape[:2], dtype=torch.bool, device=features.device), layout)

    @classmethod
    def of_boxes(
        cls,
        features: Sequence[Tensor],
        corners: Sequence[Tensor],
        max_boxes: int | None = None,
        cells: int | None = None,
    ) -> Regions:
        """Regions of photos with different numbers of boxes, padded with zeros that the mask excludes.

        Args:
            features: (n, D) of each photo.
            corners: (n, 4) of each photo, as fractions of the view.
            max_boxes: R; the largest n unless given.
            cells: see `Boxes`; the same for all photos, so that a photo's regions do not depend on the others of its batch.
        """
        counts = torch.tensor([len(of_photo) for of_photo in features], device=features[0].device)
        length = int(counts.max()) if max_boxes is None else max_boxes
        mask = torch.arange(length, device=counts.device) < counts[:, None]
        return cls(_padded(features, length), mask, Boxes(_padded(corners, length), cells))

    def mean(self) -> Tensor:
        """(B, D): the mean over real regions."""
        real = self.mask.to(torch.promote_types(self.features.dtype, torch.float32))
        share = real / real.sum(dim=1, keepdim=True).clamp(min=1)
        return (share.to(self.features.dtype)[:, None] @ self.features).squeeze(1)

    def photo(self) -> Tensor:
        """(B, W): the feature of the whole photo; without one, the mean region, so that W is D."""
        return self.mean() if self.whole is None else self.whole

    def select(self, photos: Tensor) -> Regions:
        whole = None if self.whole is None else self.whole[photos]
        return Regions(self.features[photos], self.mask[photos], self.layout.select(photos), whole)

    def to(self, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Regions:
        features = self.features.to(device=device, dtype=dtype, non_blocking=True)
        whole = None if self.whole is None else self.whole.to(device=device, dtype=dtype, non_blocking=True)
        return Regions(features, self.mask.to(device, non_blocking=True), self.layout.to(device), whole)


def _padded(tensors: Sequence[Tensor], length: int) -> Tensor:
    """(B, length, *) of B tensors (n, *), padded with zeros."""
    return torch.stack([functional.pad(tensor, (0, 0, 0, length - len(tensor))) for tensor in tensors])


@dataclass(frozen=True)
class Placement:
    """The position of the network's view on the original photo, as one scale and offset for each axis.

    A point (x, y) of the view is the point (offset + scale * x, ...) of the photo: exact for any chain of resizes,
    crops and paddings. Sizes are (width, height) in pixels; the photo's are those after its EXIF rotation.
    """

    photo_size: tuple[int, int]
    view_size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)  # photo pixels in one view pixel
    offset: tuple[float, float] = (0.0, 0.0)  # photo coordinates of the view's top left corner

    @classmethod
    def whole(cls, photo_size: tuple[int, int]) -> Placement:
        """The view is the photo itself."""
        return cls(photo_size, photo_size)

    def resized(self, size: tuple[int, int]) -> Placement:
        """The view after a resize to (width, height)."""
        scale = (self.scale[0] * self.view_size[0] / size[0], self.scale[1] * self.view_size[1] / size[1])
        return replace(self, view_size=size, scale=scale)

    def cropped(self, left: int, top: int, size: tuple[int, int]) -> Placement:
        """The view after a crop of (width, height) at (left, top); negative values pad."""
        offset = (self.offset[0] + left * self.scale[0], self.offset[1] + top * self.scale[1])
        return replace(self, view_size=size, offset=offset)

    def to_photo(self, points: Tensor) -> Tensor:
        """Points (..., 2) of the view, in photo pixels."""
        return points * points.new_tensor(self.scale) + points.new_tensor(self.offset)

    def to_view(self, points: Tensor) -> Tensor:
        """Points (..., 2) of the photo, in view pixels."""
        return (points - points.new_tensor(self.offset)) / points.new_tensor(self.scale)

    def corners_on_photo(self, layout: Layout) -> Tensor:
        """(R, 4) float64: left, top, right, bottom of each region in photo pixels; may extend past the photo's border."""
        fractions = layout.corners().double().cpu().unflatten(1, (2, 2))
        return self.to_photo(fractions * fractions.new_tensor(self.view_size)).flatten(1)

    def sees(self, layout: Layout) -> Tensor:
        """(R,): whether each region shows a part of the photo, apart from rounding. Regions on the bars of a letterbox show none."""
        first, last = self.corners_on_photo(layout).unflatten(1, (2, 2)).unbind(1)  # (R, 2) each
        overlap = last.minimum(last.new_tensor(self.photo_size)) - first.clamp(min=0)
        return (overlap > SLIVER * (last - first)).all(1)
