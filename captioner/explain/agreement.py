"""How much of a word's attention falls on a box of the photo, and how much would if all regions got the same.

A map on the photo: each region's weight lies evenly on the part of the region that is on the photo. A region with no
such part (all of it is padding) is left out, and what remains is brought to sum 1, whatever a sentinel took.

Shapes: T words, R regions. Boxes are COCO's (left, top, width, height), in pixels of the original photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captioner.regions import Layout, Placement

Box = tuple[float, float, float, float]

SLIVER = 1e-6
"""A region is on the photo if more than this share of it is: an edge on the photo's border may miss it by rounding."""


def box_masses(weights: Tensor, layout: Layout, placement: Placement, box: Box) -> Tensor:
    r"""The attention mass inside the box: $\sum_r w_r \, |r \cap b| \,/\, |r|$, with $\sum_r w_r = 1$.

    Source: attention correctness, Liu et al. 2017, with exact areas in place of pixels.

    Args:
        weights: (T, R), of any sum; a word with no weight on the photo has mass 0.
        layout: What the R columns are, of one photo.
        placement: How the network's view lies on the photo.
        box: An object of the photo.

    Returns:
        (T,) float64, 0 to 1.
    """
    corners, visible = _on_photo(layout, placement)
    weights = _visible_weights(weights, visible)
    left, top, width, height = box
    inside = _areas(_clip(corners, left, top, left + width, top + height))  # (R,)
    shares = torch.where(visible, inside / _areas(corners), 0)
    return (weights * shares).sum(dim=1) / _positive(weights.sum(dim=1))  # (T,)


def fair_share(layout: Layout, placement: Placement, box: Box) -> float:
    """The mass inside the box of the uniform map: every region on the photo has the same weight."""
    uniform = torch.ones(1, layout.num_regions)
    return float(box_masses(uniform, layout, placement, box))


def lift(masses: Tensor, fair_shares: Tensor) -> float | None:
    """How many times more attention the boxes get than from uniform maps: the ratio of the sums over all words.

    1 is a map that knows nothing. None where not even uniform maps reach a box, or there are no words.
    """
    if masses.shape != fair_shares.shape:
        raise ValueError(
            f"lift needs one fair share for each mass, got {tuple(fair_shares.shape)} for {tuple(masses.shape)}; "
            "repeat the box's fair share for each of its words"
        )
    by_chance = float(fair_shares.sum())
    return float(masses.sum()) / by_chance if by_chance > 0 else None


def points_inside(weights: Tensor, layout: Layout, placement: Placement, box: Box) -> Tensor:
    """(T,) boolean: the centre of the region with the most weight lies inside the box, border included.

    Source: the pointing game of Zhang et al. 2016, with regions in place of pixels.
    Differs: no tolerance around the box. A box between the centres of a coarse grid can therefore not be hit.
    """
    corners, visible = _on_photo(layout, placement)
    weights = _visible_weights(weights, visible)
    x, y = corners.unflatten(1, (2, 2)).mean(dim=1).unbind(1)  # (R,)
    left, top, width, height = box
    hit = (left <= x) & (x <= left + width) & (top <= y) & (y <= top + height) & visible
    return hit[weights.argmax(dim=1)] & (weights.sum(dim=1) > 0)  # (T,)


def _on_photo(layout: Layout, placement: Placement) -> tuple[Tensor, Tensor]:
    """(R, 4): each region's corners, cut off at the photo's border; (R,) boolean: some of it is on the photo."""
    whole = placement.corners_on_photo(layout)
    corners = _clip(whole, 0, 0, *placement.photo_size)
    return corners, _areas(corners) > SLIVER * _areas(whole)


def _visible_weights(weights: Tensor, visible: Tensor) -> Tensor:
    if weights.dim() != 2 or weights.shape[1] != len(visible):
        raise ValueError(
            f"weights need shape (words, {len(visible)}), one column for each region of the layout, got "
            f"{tuple(weights.shape)}; pass the layout that came with these weights"
        )
    return weights.detach().double().cpu() * visible


def _clip(corners: Tensor, left: float, top: float, right: float, bottom: float) -> Tensor:
    x, y = corners[:, 0::2].clamp(left, right), corners[:, 1::2].clamp(top, bottom)  # (R, 2) each
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], dim=1)  # (R, 4)


def _areas(corners: Tensor) -> Tensor:
    left, top, right, bottom = corners.unbind(1)
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def _positive(sums: Tensor) -> Tensor:
    return torch.where(sums > 0, sums, 1)
