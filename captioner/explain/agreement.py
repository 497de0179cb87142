"""The weight of a map on an area of the photo, compared with the weight of a uniform map there.

Each region's weight is spread evenly over the part of the region that is on the photo. Regions that are all padding are
ignored, and the weights of the others are scaled to sum 1, also if a sentinel took a share.

Shapes: T words, R regions. Boxes are COCO's (left, top, width, height), in pixels of the original photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.data.instances import Box
from captioner.explain.areas import Area
from captioner.regions import Layout, Placement

TIE = 1e-6
"""Weights that differ from the largest by less than this share of it count as equal to it."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of a photo's regions with one area of it."""

    shares: Tensor  # (R,) float64: share of each region's part on the photo that is in the area, 0 to 1
    centred: Tensor  # (R,) boolean: the middle of that part is in the area, border included
    visible: Tensor  # (R,) boolean: part of the region is on the photo

    @classmethod
    def of(cls, layout: Layout, placement: Placement, area: Area | Box) -> Overlap:
        """The overlap of an area with the regions of one photo, of which `placement` maps the network's view to the photo."""
        area = area if isinstance(area, Area) else Area.of_boxes([area])
        corners, visible = on_photo(layout, placement)
        shares = torch.where(visible, area.inside(corners) / _areas(corners), 0).clamp(0, 1)  # despite rounding
        return cls(shares, area.holds(middles(corners)) & visible, visible)

    @property
    def fair_share(self) -> float:
        """The mass of the uniform map inside the area: every region on the photo has the same weight."""
        return float(self.shares.sum()) / max(1, int(self.visible.sum()))

    def masses(self, weights: Tensor) -> Tensor:
        r"""(T,) float64, 0 to 1: the mass of maps (T, R) inside the area, $\sum_r w_r \, |r \cap a| \,/\, |r|$, with $\sum_r w_r = 1$.

        Weights may have any sum; a map with no weight on the photo has mass 0. Source: attention correctness, Liu et al. 2017, with exact
        areas instead of pixels.

        Raises:
            ValueError: the maps belong to another layout.
        """
        weights = self._on_photo(weights)
        return (weights * self.shares).sum(dim=1) / _positive(weights.sum(dim=1))

    def hits(self, weights: Tensor) -> Tensor:
        """(T,) float64: 1 if the middle of the region with the largest weight is in the area, else 0.

        If regions tie, the share of them that hits: the expected value of choosing one at random. Source: the pointing game of
        Zhang et al. 2016, with regions instead of pixels. Differs: no tolerance around the area, so an area between the middles of a
        coarse grid's regions cannot be hit.

        Raises:
            ValueError: the maps belong to another layout.
        """
        weights = self._on_photo(weights)
        largest = weights.amax(dim=1, keepdim=True)
        tied = (weights >= largest * (1 - TIE)) & (largest > 0)  # (T, R)
        return (tied & self.centred).sum(1) / _positive(tied.sum(1).double())

    def _on_photo(self, weights: Tensor) -> Tensor:
        if weights.dim() != 2 or weights.shape[1] != len(self.visible):
            raise ValueError(
                f"weights need shape (words, {len(self.visible)}), one column for each region of the layout, got "
                f"{tuple(weights.shape)}; pass the layout that came with these weights"
            )
        return weights.detach().double().cpu() * self.visible


def on_photo(layout: Layout, placement: Placement) -> tuple[Tensor, Tensor]:
    """(R, 4): each region's corners, clipped to the photo; (R,) boolean: part of it is on the photo."""
    return _clip(placement.corners_on_photo(layout), 0, 0, *placement.photo_size), placement.sees(layout)


def middles(corners: Tensor) -> Tensor:
    """(R, 2): the middles of rectangles (R, 4)."""
    return corners.unflatten(1, (2, 2)).mean(dim=1)


def _clip(corners: Tensor, left: float, top: float, right: float, bottom: float) -> Tensor:
    x, y = corners[:, 0::2].clamp(left, right), corners[:, 1::2].clamp(top, bottom)  # (R, 2) each
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], dim=1)  # (R, 4)


def _areas(corners: Tensor) -> Tensor:
    left, top, right, bottom = corners.unbind(1)
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def _positive(sums: Tensor) -> Tensor:
    return torch.where(sums > 0, sums, 1)
