"""Draw weights over regions on the pixels of the original photo.

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
    """Give each pixel the weight of the region that covers its centre, without smoothing and without division by area.

    Cells of a grid are half open: a centre exactly on an edge belongs to the cell on its right or below. The weights of overlapping
    boxes add up; a pixel of the network's view that no box covers is 0. A pixel outside the network's view, such as one removed by a
    centre crop, is NaN: a weight of 0 differs from not having been seen.

    Args:
        weights: (..., R), for one word or for several.
        layout: describes the R columns, for one photo.
        placement: maps the network's view to the photo.
        size: (width, height) of the map of the whole photo; by default the photo's own size.
        smooth: interpolate linearly between the centres of neighbouring cells, constant beyond the outermost ones. This looks nicer and
            is finer than what the network saw. Boxes are drawn as boxes.

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
    """Raise a ValueError if a caption's maps cannot be drawn on a photo."""
    if caption.placement is None:
        if caption.weights is None:
            return
        raise ValueError(
            "drawing needs the caption's placement, got None: it was made from stored regions; "
            "caption the photo itself, or set the placement with dataclasses.replace"
        )
    if photo.size != caption.placement.photo_size:
        raise ValueError(
            f"the caption was made for a photo of {caption.placement.photo_size} pixels, got {photo.size}; "
            "pass the same photo at its full size, after PIL.ImageOps.exif_transpose"
        )


def in_words(layout: Layout, overlap: str = "weights added where they overlap") -> str:
    """Describe the regions of a map."""
    if isinstance(layout, Grid):
        return f"{layout.rows} x {layout.columns} regions"
    return f"{layout.num_regions} boxes, {overlap}"


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
    """Positions of the centres of the map's pixels on the photo, along one axis."""
    return (torch.arange(map_length, dtype=torch.float64) + 0.5) * photo_length / map_length


def _edges(placement: Placement, columns: int, rows: int) -> tuple[Tensor, Tensor]:
    """(columns + 1,) and (rows + 1,) float64: the lines that divide the view into cells, in pixels of the photo."""
    axes = zip((columns, rows), placement.view_size, placement.scale, placement.offset, strict=True)
    x, y = (torch.arange(n + 1, dtype=torch.float64) * length / n * scale + offset for n, length, scale, offset in axes)
    return x, y


def _draw_grid(weights: Tensor, layout: Grid, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    x_edges, y_edges = _edges(placement, layout.columns, layout.rows)
    cells = weights.unflatten(-1, (layout.rows, layout.columns))  # (..., rows, columns)
    cells = functional.pad(
        cells, (1, 1, 1, 1), value=torch.nan
    )  # (..., rows + 2, columns + 2): a border of unseen cells
    column = torch.searchsorted(x_edges, x, right=True)  # (width,) 0 and columns + 1 are the border
    row = torch.searchsorted(y_edges, y, right=True)  # (height,)
    return cells.index_select(-2, row).index_select(-1, column)  # (..., height, width)


def _draw_smooth(weights: Tensor, layout: Grid, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    x_edges, y_edges = _edges(placement, layout.columns, layout.rows)
    across = _between_centres(x_edges, x).float()  # (columns, width)
    down = _between_centres(y_edges, y).float()  # (rows, height)
    drawn = down.T @ weights.unflatten(-1, (layout.rows, layout.columns)) @ across  # (..., height, width)
    return drawn.masked_fill(~(_between(y_edges, y)[:, None] & _between(x_edges, x)), torch.nan)


def _between_centres(edges: Tensor, points: Tensor) -> Tensor:
    """(cells, points): the interpolation weight of each cell at each point."""
    cells = len(edges) - 1
    position = ((points - edges[0]) / (edges[-1] - edges[0]) * cells - 0.5).clamp(0, cells - 1)
    return (1 - (position - torch.arange(cells)[:, None]).abs()).clamp(min=0)


def _draw_boxes(weights: Tensor, layout: Boxes, placement: Placement, x: Tensor, y: Tensor) -> Tensor:
    left, top, right, bottom = placement.corners_on_photo(layout)[..., None].unbind(1)  # (R, 1) each
    across = ((left <= x) & (x < right)).float()  # (R, width)
    down = ((top <= y) & (y < bottom)).float()  # (R, height)
    drawn = (weights[..., None, :] * down.T) @ across  # (..., height, width)
    x_edges, y_edges = _edges(placement, 1, 1)
    in_view = _between(y_edges, y)[:, None] & _between(x_edges, x)
    return drawn.masked_fill(~in_view, torch.nan)


def _between(edges: Tensor, points: Tensor) -> Tensor:
    return (edges[0] <= points) & (points < edges[-1])
