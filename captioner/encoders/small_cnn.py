"""A small convolutional network for simple pictures, trained from scratch together with the decoder.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from captioner.encoders.contract import Encoder
from captioner.encoders.preprocess import Preprocess
from captioner.ranges import Edge, Size
from captioner.regions import Grid


class SmallCNN(Encoder):
    """A small CNN for simple pictures: three convolutions of stride 2 and one of stride 1, each with batch norm and ReLU. A region stands
    for 8 x 8 pixels.

    The receptive field is 31 x 31 pixels, little more than the region itself, so that a map shows a location. A learned position vector
    is added to each region.

    Args:
        size: edge of the square view, in pixels; a multiple of 8. Photos are resized to it as a whole.
        width: number of channels of the first convolution.
        region_size: number of channels of the last convolution, which is the size of a region's feature (D).
        frozen: whether the encoder stays untrained, for weights from another run (`encoder.from_run`).
    """

    def __init__(self, size: Edge = 80, width: Size = 32, region_size: Size = 128, frozen: bool = False):
        super().__init__()
        if size % 8:
            raise ValueError(f"size must be a multiple of 8, since a region covers 8 x 8 pixels, got {size}")
        self.region_size = region_size
        self.layout = Grid(size // 8, size // 8)
        self.preprocess = Preprocess((size, size), (size, size))
        self.frozen = frozen
        self.layers = nn.Sequential(
            _convolution(3, width, stride=2),
            _convolution(width, 2 * width, stride=2),
            _convolution(2 * width, region_size, stride=2),
            _convolution(region_size, region_size, stride=1),
        )
        self.place = nn.Parameter(torch.randn(self.layout.num_regions, region_size) * 0.02)
        if frozen:
            self.requires_grad_(False).eval()

    def features(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels).flatten(2).transpose(1, 2) + self.place  # (B, R, D)

    def for_inference(self) -> SmallCNN:
        from captioner.encoders.folding import folded

        made = copy.copy(self)
        pairs = [(f"{block}.0", f"{block}.1") for block in range(len(self.layers))]  # convolution, batch norm
        made._modules = {"layers": folded(self.layers, pairs)}
        return made


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
