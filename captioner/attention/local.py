"""Local attention: a softmax over the regions around one position, which advances with every word or is predicted for each.

Shapes: B photos, Q queries, R regions, H query size, D region feature, A comparison size.

A sequence is a grid of one row. Positions are continuous, in units of regions: the centre of grid cell (row, column) is
(column + 1/2, row + 1/2); for boxes, the view counts as a square of as many cells as a
photo can have boxes. Luong's position s of a word is our s + 1/2.

The window holds the regions whose centres are at most `radius` (Luong's D) from the position, along each axis. It does not wrap around
at the border. Masked regions are never in it; if no region is, weights and context are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from captioner.attention.contract import Attended, Attention, Memory, Query, Score
from captioner.attention.soft import WEIGH, Weigh
from captioner.layers.linear import Linear
from captioner.ranges import Divisor, Size
from captioner.regions import Regions, centres, extent_of


class LocalMonotonicAttention(Attention):
    r"""A softmax inside a window that moves on by one region with every word: $p_t = t$, and the window is $[p_t - D, p_t + D]$.

    Source: Luong et al. 2015, section 3.2, "local-m", for sequences. Regions are taken in their order, grids row by row. On photos this
    is a control: a caption of a dozen words covers only the top rows of a grid. After the last region the position stays there.

    Args:
        score: how a query is compared with a region.
        region_size: size of one region's feature (D); also the size of the context.
        radius: number of regions to either side in the window.
        weigh: how scores become weights: `sparsemax` and `entmax15` give some regions weight 0.
    """

    def __init__(
        self, score: Score, region_size: int, radius: Annotated[int, Gt(0), Le(1000)] = 2, weigh: Weigh = "softmax"
    ):
        super().__init__()
        self.score, self.radius, self.weigh = score, radius, WEIGH[weigh]
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.score.remember(regions.features), regions.features)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        last = memory.mask.sum(1, keepdim=True) - 1  # (B, 1)
        position = torch.minimum(query.position, last)[..., None]  # (B, Q, 1)
        distance = torch.arange(memory.mask.shape[1], device=position.device) - position  # (B, Q, R)
        window = (distance.abs() <= self.radius) & memory.mask[:, None]
        weights = _inside(self.weigh, self.score(query.hidden, memory.keys), window)
        return Attended(self.sum(weights, memory), weights)


class LocalPredictiveAttention(Attention):
    r"""A softmax inside a window around a position that the state predicts, scaled by a Gaussian:
    $p_t = S \cdot \mathrm{sigmoid}(v_p^\top \tanh(W_p h_t))$ for each axis of the grid, and
    $a_t(s) = \mathrm{align}(h_t, s) \exp(-(s - p_t)^2 / 2 \sigma^2)$ with $\sigma = D / 2$.

    Source: Luong et al. 2015, section 3.2, "local-p"; our radius is their D. In two dimensions the position has two coordinates, S is
    the number of columns or rows, and the Gaussians of both axes are multiplied; a grid of one row is the published case. As published,
    weights are not renormalised after the Gaussian: they sum to less than 1.

    Args:
        score: how a query is compared with a region.
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D); also the size of the context.
        radius: half the width of the window, in regions.
        size: width of the layer that predicts the position (A).
        weigh: how scores become weights: `sparsemax` and `entmax15` give some regions weight 0.
    """

    def __init__(
        self,
        score: Score,
        query_size: int,
        region_size: int,
        radius: Divisor = 2.0,
        size: Size = 512,
        weigh: Weigh = "softmax",
    ):
        super().__init__()
        self.score, self.radius, self.weigh = score, radius, WEIGH[weigh]
        self.context_size = region_size
        self.from_query = Linear(query_size, size, bias=False)
        self.to_place = nn.Linear(size, 2, bias=False)

    def remember(self, regions: Regions) -> Memory:
        keys = self.score.remember(regions.features)
        return Memory.of(regions, keys, regions.features, centres(regions.layout, regions.features))

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        assert memory.centres is not None
        extent = extent_of(memory.layout)
        position = self.predict(query.hidden) * memory.centres.new_tensor(extent)  # (B, Q, 2)
        distance = memory.centres[:, None] - position[:, :, None]  # (B, Q, R, 2)
        if extent[1] == 1:  # a sequence
            distance = distance[..., :1]
        window = (distance.abs() <= self.radius).all(-1) & memory.mask[:, None]
        weights = _inside(self.weigh, self.score(query.hidden, memory.keys), window)
        weights = weights * torch.exp(-distance.square().sum(-1) * (2 / self.radius**2))  # sigma is half the radius
        return Attended(self.sum(weights, memory), weights)

    def predict(self, hidden: Tensor) -> Tensor:
        """Positions (B, Q, 2) as fractions of the view, from the left and from the top."""
        positions = torch.sigmoid(self.to_place(torch.tanh(self.from_query(hidden))))
        return positions.to(torch.promote_types(positions.dtype, torch.float32))


def _inside(weigh: Callable[[Tensor, Tensor], Tensor], scores: Tensor, window: Tensor) -> Tensor:
    """Weights of the regions in the window, 0 elsewhere; all 0 if the window is empty."""
    any_inside = window.any(-1, keepdim=True)
    return weigh(scores, window | ~any_inside) * any_inside
