"""What every encoder gives and takes.

Shapes: B photos, R regions, D region feature, h and w pixels of the network's view.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from captioner.encoders.preprocess import Preprocess
from captioner.regions import Layout, Regions


class Encoder(nn.Module):
    """A network that turns photos into regions, and states what they are before it sees one.

    `region_size` is D; `layout` says what the R regions are, of boxes only how many at most; `preprocess` turns a photo into the pixels
    this network wants.
    A frozen encoder is never trained, and stays in evaluation mode: batch-norm statistics do not drift.
    """

    region_size: int
    layout: Layout
    preprocess: Preprocess
    frozen: bool

    def features(self, pixels: Tensor) -> Tensor:
        """Features (B, R, D) of normalised pixels (B, 3, h, w)."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Regions:
        """Regions of pixels (B, 3, h, w), whole numbers 0 to 255 (uint8), as `preprocess` makes them."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return Regions.full(self.features(self.preprocess.normalise(self.checked(pixels))), self.layout)

    @staticmethod
    def checked(pixels: Tensor) -> Tensor:
        """The pixels themselves.

        Raises:
            ValueError: they are not whole numbers.
        """
        if pixels.dtype != torch.uint8:
            raise ValueError(
                f"pixels must be uint8, 0 to 255, got {pixels.dtype}; give photos to encoder.preprocess, "
                "and leave scaling and normalising to the encoder"
            )
        return pixels

    @property
    def packed_size(self) -> int:
        """The numbers that a store keeps of one region."""
        return self.region_size

    def pack(self, regions: Regions) -> Tensor:
        """(B, R, packed_size): regions as a store keeps them."""
        return regions.features

    def unpack(self, stored: Tensor) -> Regions:
        """Regions as a store kept them."""
        return Regions.full(stored, self.layout)

    def choices(self) -> dict[str, Any]:
        """What its regions depend on besides weights and preprocessing."""
        return {}

    def train(self, mode: bool = True) -> Encoder:
        return super().train(mode and not self.frozen)
