"""Local attention: a softmax over the regions around one place, which moves on with every word or is predicted for each.

Shapes: B photos, Q queries, R regions, H query size, D region feature, A comparison size.

A sequence is a grid of one row. Places are measured in regions, continuously: of a grid, region (row, column) lies at
(column + 1/2, row + 1/2); boxes are placed as if the view were a square of R cells. Luong's position s of a word is our s + 1/2.

A region counts when its centre is at most `radius` (Luong's D) from the place, along each axis. Nothing wraps around at the border:
there, fewer regions count. Regions that a mask leaves out never count; where no region does, weights and context are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from captioner.attention.contract import Attended, Attention, Memory, Query, Score
from captioner.attention.soft import masked_softmax
from captioner.layers.loop_linear import LoopLinear
from captioner.ranges import Positive, Size
from captioner.regions import Regions, centres, extent_of


class LocalMonotonicAttention(Attention):
    r"""Word t looks around region t: $p_t = t$, and a softmax inside $[p_t - D, p_t + D]$.

    Source: Luong et al. 2015, section 3.2, "local-m", over a sequence. Regions are taken in their order, a grid's row by row, so that on
    photos this is a control: captions of a dozen words see the top rows of the grid alone. After the last region the place stays there.

    Args:
        score: how a query is compared with a region.
        region_size: D, the size of one region's feature; also the size of the context.
        radius: regions to either side that count.
    """

    def __init__(self, score: Score, region_size: int, radius: Size = 2):
        super().__init__()
        self.score, self.radius = score, radius
        self.context_size = region_size

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.score.remember(regions.features), regions.features)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        last = memory.mask.sum(1, keepdim=True) - 1  # (B, 1)
        place = torch.minimum(query.position, last)[..., None]  # (B, Q, 1)
        distance = torch.arange(memory.mask.shape[1], device=place.device) - place  # (B, Q, R)
        weights = _softmax_where(
            self.score(query.hidden, memory.keys), (distance.abs() <= self.radius) & memory.mask[:, None]
        )
        return Attended(self.sum(weights, memory), weights)


class LocalPredictiveAttention(Attention):
    r"""The state says where to look, $p_t = S \cdot \mathrm{sigmoid}(v_p^\top \tanh(W_p h_t))$ for each axis of the grid, and a Gaussian
    of $\sigma = D / 2$ around it lies on the softmax inside the window:
    $a_t(s) = \mathrm{align}(h_t, s) \exp(-(s - p_t)^2 / 2 \sigma^2)$.

    Source: Luong et al. 2015, section 3.2, "local-p"; our radius is their D. In two dimensions the place has two
    coordinates, S is the number of columns or rows, and the Gaussians of both axes are multiplied; a grid of one row is the published
    case. As published, weights are not normalised again after the Gaussian: they sum to less than 1.

    Args:
        score: how a query is compared with a region.
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature; also the size of the context.
        radius: distance from the place, in regions, at which a region still counts.
        size: A, the width of the layer that predicts the place.
    """

    def __init__(self, score: Score, query_size: int, region_size: int, radius: Positive = 2.0, size: Size = 512):
        super().__init__()
        self.score, self.radius = score, radius
        self.context_size = region_size
        self.from_query = LoopLinear(query_size, size, bias=False)
        self.to_place = nn.Linear(size, 2, bias=False)

    def remember(self, regions: Regions) -> Memory:
        keys, places = self.score.remember(regions.features), centres(regions.layout, regions.features)
        return Memory.of(regions, keys, regions.features, places)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        assert memory.places is not None
        extent = extent_of(memory.layout)
        place = self.predict(query.hidden) * memory.places.new_tensor(extent)  # (B, Q, 2)
        distance = memory.places[:, None] - place[:, :, None]  # (B, Q, R, 2)
        if extent[1] == 1:  # a sequence
            distance = distance[..., :1]
        near = (distance.abs() <= self.radius).all(-1) & memory.mask[:, None]
        weights = _softmax_where(self.score(query.hidden, memory.keys), near)
        weights = weights * torch.exp(-distance.square().sum(-1) * (2 / self.radius**2))  # sigma is half the radius
        return Attended(self.sum(weights, memory), weights)

    def predict(self, hidden: Tensor) -> Tensor:
        """Places (B, Q, 2) as fractions of the view: from the left, and from the top."""
        places = torch.sigmoid(self.to_place(torch.tanh(self.from_query(hidden))))
        return places.to(torch.promote_types(places.dtype, torch.float32))


def _softmax_where(scores: Tensor, counted: Tensor) -> Tensor:
    """A softmax over the regions that count; 0 elsewhere, and everywhere where none does."""
    some = counted.any(-1, keepdim=True)
    return masked_softmax(scores, counted | ~some) * some
