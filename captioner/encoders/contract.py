"""What every encoder provides, and what a model has in an encoder's place if its regions come from files.

Shapes: B photos, R regions, D region feature, h and w pixels of the network's view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from captioner.encoders.preprocess import Preprocess
from captioner.regions import Layout, Placement, Regions

if TYPE_CHECKING:
    from captioner.encoders.folding import Folded


class View(Protocol):
    """How a photo becomes a network's view of it."""

    @property
    def crop(self) -> tuple[int, int]:
        """Width and height of the view in pixels."""
        ...

    def __call__(self, photo: Image.Image) -> tuple[Tensor, Placement]:
        """Pixels (3, h, w) as uint8, and the position of the view on the photo."""
        ...


class Vision(nn.Module):
    """A model's source of regions. It states what they are before the first photo is read.

    `region_size` is D. `layout` says what the R regions are; of boxes, only the largest number. `preprocess` makes the view of a photo.
    `frozen`: it is never trained. Subclasses are encoders, which compute regions, and region files, which hold published ones.
    """

    region_size: int
    layout: Layout
    preprocess: View
    frozen: bool


class Encoder(Vision):
    """A network that turns photos into regions.

    A frozen encoder stays in evaluation mode, so that batch-norm statistics do not drift.
    """

    preprocess: Preprocess

    def features(self, pixels: Tensor) -> Tensor:
        """Features (B, R, D) of normalised pixels (B, 3, h, w)."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Regions:
        """Regions of pixels (B, 3, h, w), whole numbers 0 to 255 (uint8), as `preprocess` makes them."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return Regions.full(self.features(self.preprocess.normalise(self.checked(pixels))), self.layout)

    @staticmethod
    def checked(pixels: Tensor) -> Tensor:
        """The same pixels.

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
        """Numbers that a feature store keeps for one region."""
        return self.region_size

    def pack(self, regions: Regions) -> Tensor:
        """(B, R, packed_size): regions as a feature store keeps them."""
        return regions.features

    def unpack(self, stored: Tensor) -> Regions:
        """Regions from the numbers of `pack`."""
        return Regions.full(stored, self.layout)

    def choices(self) -> dict[str, Any]:
        """Options on which the regions depend besides weights and preprocessing; part of a feature store's identity."""
        return {}

    def train(self, mode: bool = True) -> Encoder:
        return super().train(mode and not self.frozen)


class PretrainedNetwork(Encoder):
    """An encoder around a network that others trained.

    The network stays in evaluation mode, even if it is trained, so that batch norm keeps its pretrained statistics.
    """

    network: nn.Module
    folded: Folded

    def runnable(self) -> Any:
        """The network; where no gradients are needed, a copy of it with batch norm folded into its convolutions."""
        as_it_is = self.training or torch.is_grad_enabled() or torch.compiler.is_compiling()
        return self.network if as_it_is else self.folded.of(self.network)

    def train(self, mode: bool = True) -> PretrainedNetwork:
        super().train(mode)
        self.network.eval()
        return self
