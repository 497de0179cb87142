"""Weights over regions, on the pixels of the original photo.

Shapes: R regions. Coordinates and sizes are in pixels of the photo, (width, height), unless said otherwise.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from captioner.regions import Boxes, Grid, Layout, Placement
from captioner.search.result import Caption


def map_on_photo(
    weights: Tensor, layout: Layout, placement: Placement, size: tuple[int, int] | None = None, smooth: bool = False
) -> Tensor:
    """The weight of the region that covers each pixel's centre, drawn as it is: no smoothing, no division by area.

    Cells of a grid are half open: a centre exactly on an edge belongs to the cell right of it or below. Where boxes
    overlap, their weights add up; a pixel that the network saw and no box covers is 0. A pixel outside the network's
    view, such as one that a centre crop cut away, is NaN: no weight is not the same as not seen.

    Args:
        weights: (..., R), for one word or for several.
        layout: What the R columns are, of one photo.
        placement: How the network's view lies on the photo.
        size: (width, height) of the map, spread evenly over the whole photo; the photo's own where it is None.
        smooth: Straight lines between the centres of a grid's neighbouring cells, and flat beyond the outermost ones: nicer to
            look at, and finer than what the network saw. Boxes are drawn as boxes.

    Returns:
        (..., height, width) float32, on the CPU.
    """
    _check(weights, layout, size)
    weights = weights.detach().float().cpu()
    x, y = (_centres(*lengths) for lengths in zip(placement.photo_size, size or placement.photo_size, strict=True))
    if isinstance(layout, Grid):
        draw = _draw_smooth if smooth else _draw_grid
        return draw(weights, layout, placement, x, y)
    return _draw_boxes(weights, layout, placement, x, y)


def check_photo(photo: Image.Image, caption: Caption) -> None:
    """Complain where a caption's maps cannot be drawn on a photo."""
    if caption.placement is None:
        if caption.weights is None:
            return
        raise ValueError(
            "drawing needs the caption's placement, got None: it was made from ready-made regions; "
            "caption the photo itself, or set the placement with dataclasses.replace"
        )
    if photo.size != caption.placement.photo_size:
        raise ValueError(
            f"the caption was made for a photo of {caption.placement.photo_size} pixels, got {photo.size}; "
            "pass the same photo at its full size, after PIL.ImageOps.exif_transpose"
        )


def in_words(layout: Layout) -> str:
    """What a map's regions are."""
    if isinstance(layout, Grid):
        return f"{layout.rows} x {layout.columns} regions"
    return f"{layout.num_regions} boxes, weights added where they overlap"


def _check(weights: Tensor, layout: Layout, size: tuple[int, int] | None) -> None:
    if weights.dim() == 0 or weights.shape[-1] != layout.num_regions:
        raise ValueError(
            f"weights need one column for each of the layout's {layout.num_regions} regions, got shape "
            f"{tuple(weights.shape)}; pass the layout that came with these weights"
        )
    if size is not None and min(size) < 1:
        raise ValueError(
            f"size needs (width, height) of at least 1 pixel each, got {size}; leave it out for the photo's"
        )


def _centres(photo_length: int, map_length: int) -> Tensor:
    """Where the centres of the map's pixels lie on the photo, along one axis."""
    return (torch.arange(map_length, dtype=torch.float64) + 0.5) * photo_length / map_length


def _edges(placement: Placement, columns: int, rows: int) -> tuple[Tensor, Tensor]:
    """(columns + 1,) and (rows + 1,) float64: the lines that cut the view into cells, in pixels of the photo."""
    axes = zip((columns, rows), placement.view_size, placement.scale, placement.offset, strict=True)
    x, y = (torch.arange(n + 1, dtype=torch.float64) * length / n * scale + offset for n, length, scale, offset in axes)
    return x, y


def _draw_grid(weights: Tensor, layout: Grid, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    x_edges, y_edges = _edges(placement, layout.columns, layout.rows)
    cells = weights.unflatten(-1, (layout.rows, layout.columns))  # (..., rows, columns)
    cells = functional.pad(cells, (1, 1, 1, 1), value=torch.nan)  # (..., rows + 2, columns + 2): a rim of not seen
    column = torch.searchsorted(x_edges, x, right=True)  # (width,) 0 and columns + 1 are the rim
    row = torch.searchsorted(y_edges, y, right=True)  # (height,)
    return cells.index_select(-2, row).index_select(-1, column)  # (..., height, width)


def _draw_smooth(weights: Tensor, layout: Grid, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    x_edges, y_edges = _edges(placement, layout.columns, layout.rows)
    across = _between_centres(x_edges, x).float()  # (columns, width)
    down = _between_centres(y_edges, y).float()  # (rows, height)
    drawn = down.T @ weights.unflatten(-1, (layout.rows, layout.columns)) @ across  # (..., height, width)
    return drawn.masked_fill(~(_between(y_edges, y)[:, None] & _between(x_edges, x)), torch.nan)


def _between_centres(edges: Tensor, points: Tensor) -> Tensor:
    """(cells, points): the share of each cell in a point that lies between the centres of two."""
    cells = len(edges) - 1
    position = ((points - edges[0]) / (edges[-1] - edges[0]) * cells - 0.5).clamp(0, cells - 1)
    return (1 - (position - torch.arange(cells)[:, None]).abs()).clamp(min=0)


def _draw_boxes(weights: Tensor, layout: Boxes, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    left, top, right, bottom = placement.corners_on_photo(layout)[..., None].unbind(1)  # (R, 1) each
    across = ((left <= x) & (x < right)).float()  # (R, width)
    down = ((top <= y) & (y < bottom)).float()  # (R, height)
    drawn = (weights[..., None, :] * down.T) @ across  # (..., height, width)
    x_edges, y_edges = _edges(placement, 1, 1)
    seen = _between(y_edges, y)[:, None] & _between(x_edges, x)
    return drawn.masked_fill(~seen, torch.nan)


def _between(edges: Tensor, points: Tensor) -> Tensor:
    return (edges[0] <= points) & (points < edges[-1])
