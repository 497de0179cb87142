"""Self-attention among regions, between encoder and decoder.

Shapes: B photos, R regions, D region feature, S size inside and of the result, N heads.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from captioner.attention import MultiHeadAttention, Query
from captioner.layers.linear import Linear
from captioner.layers.transformer_blocks import Dropout, feedforward, sinusoids
from captioner.ranges import Fraction, Size
from captioner.regions import Grid, Regions, centres


class Refiner(nn.Module):
    r"""Layers of $x + \mathrm{MultiHead}(\mathrm{LN}(x))$ and $x + \mathrm{FFN}(\mathrm{LN}(x))$ over the regions of a photo.

    Source: Vaswani et al. 2017, section 3.1 and figure 1 (left), with the norms in front (Xiong et al. 2020).

    `position` encodes the position of a region: `sinusoids` of the column and row of its centre, half of the numbers each, as in Carion
    et al. 2020, in units of regions, so that for a grid of one row they are Vaswani's; `geometry`, a linear layer of left, top, right,
    bottom and area as fractions of the view, after Yu et al. 2017; or `none`, in which case permuting the regions permutes the result.
    Masked regions are never attended to.

    Args:
        region_size: size of one region's feature (D).
        whole_size: size of the whole photo's feature (W), which is projected to S too; 0 if there is none.
        layers: number of layers. With 0 there is no refiner, or, with `project`, only the first projection and the last norm.
        heads: number of heads (N).
        size: size of a refined region's feature (S); a multiple of `heads`.
        feedforward_size: width of the feed-forward network, which is applied to each region.
        dropout: dropout on the output of every sublayer.
        position: how a region's position is encoded: `sinusoids` of its column and row; `geometry`, a linear layer of its corners and
            area; or `none`.
        project: project regions to `size` even with 0 layers, for scores that need regions as wide as the decoder's state.
    """

    def __init__(
        self,
        region_size: int,
        layers: Annotated[int, Ge(0), Le(100)] = 0,
        heads: Size = 8,
        size: Size = 512,
        feedforward_size: Size = 2048,
        dropout: Fraction = 0.1,
        position: Literal["sinusoids", "geometry", "none"] = "sinusoids",
        project: bool = False,
        whole_size: int = 0,
    ):
        super().__init__()
        self.region_size, self.position = size, position
        self.enter = Linear(region_size, size)
        self.from_geometry = nn.Linear(5, size) if position == "geometry" else None
        self.layers = nn.ModuleList(RefinerLayer(size, heads, feedforward_size, dropout) for _ in range(layers))
        self.last_norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.whole = nn.Sequential(Linear(whole_size, size), self.dropout, nn.LayerNorm(size)) if whole_size else None

    def forward(self, regions: Regions) -> Regions:
        return self._refine(regions, need_weights=False)[0]

    @torch.no_grad()
    def maps(self, regions: Regions) -> list[Tensor]:
        """Each layer's attention weights (B, R, N, R) of every region over all regions."""
        return self._refine(regions, need_weights=True)[1]

    def _refine(self, regions: Regions, need_weights: bool) -> tuple[Regions, list[Tensor]]:
        features = self.dropout(self._placed(regions))
        maps: list[Tensor] = []
        for layer in self.layers:
            features, weights = layer(Regions(features, regions.mask, regions.layout), need_weights)
            if weights is not None:
                maps.append(weights)
        whole = None if self.whole is None else self.whole(regions.whole)
        return Regions(self.last_norm(features), regions.mask, regions.layout, whole), maps

    def _placed(self, regions: Regions) -> Tensor:
        """(B, R, S): projected features plus position, in float32 under autocast, so that the residual sum keeps its precision."""
        features = self.enter(regions.features)
        features = features.to(torch.promote_types(features.dtype, torch.float32))
        if self.position == "none":
            return features
        if self.from_geometry is not None:
            layout = regions.layout
            corners = (layout.corners() if isinstance(layout, Grid) else layout.fractions).to(features)  # (..., R, 4)
            area = (corners[..., 2:] - corners[..., :2]).prod(-1, keepdim=True)
            return features + self.from_geometry(torch.cat([corners, area], -1))
        across, down = centres(regions.layout, features).unbind(-1)  # (1 or B, R)
        half = features.shape[-1] // 2
        encodings = [sinusoids(across, half), sinusoids(down, features.shape[-1] - half)]
        return features + torch.cat(encodings, -1).to(features)


class RefinerLayer(nn.Module):
    """Self-attention among regions, and a feed-forward network for each."""

    def __init__(self, size: int, heads: int, feedforward_size: int, dropout: float):
        super().__init__()
        self.attention = MultiHeadAttention(size, size, heads, size)
        self.feedforward = feedforward(size, feedforward_size, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.dropout = Dropout(dropout)

    def forward(self, regions: Regions, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """New features (B, R, S), and the weights (B, R, N, R) if they are needed."""
        normed = Regions(self.norms[0](regions.features), regions.mask, regions.layout)
        positions = torch.zeros(normed.mask.shape, device=normed.mask.device)
        attended = self.attention(Query(normed.features, positions), self.attention.remember(normed), need_weights)
        features = regions.features + self.dropout(attended.context)
        return features + self.dropout(self.feedforward(self.norms[1](features))), attended.head_weights
