"""EfficientNet-Lite, the network of the bundled model, in plain PyTorch: importing timm takes longer than captioning a photo.

It takes the place of timm's own when a model loads its weights. A test shows that both have the same names and outputs.

Shapes: B photos, D and d channels, h and w pixels or cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_STAGES = [  # repeats, kernel, stride, expansion and channels of EfficientNet-Lite0
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
_STEM, _HEAD = 32, 1280  # channels
_EPSILON = 1e-3  # of batch norm, as in TensorFlow


@dataclass(frozen=True)
class _Size:
    """What distinguishes one network from another."""

    width: float
    """Factor of the channels."""
    depth: float
    """Factor of the repeats of a stage."""
    edge: int
    """Of the view, in pixels."""
    share: float
    """Part of the photo's shorter side that the view shows."""


_SIZES = {
    "tf_efficientnet_lite0": _Size(1.0, 1.0, 224, 0.875),
    "tf_efficientnet_lite1": _Size(1.0, 1.1, 240, 0.882),
    "tf_efficientnet_lite2": _Size(1.1, 1.2, 260, 0.89),
}


def is_lite(network: str) -> bool:
    """Does this module build the network of this name?"""
    return network.removesuffix(".in1k") in _SIZES


def data_config(network: str) -> dict[str, Any] | None:
    """What timm's `resolve_data_config` gives for the network; None for other networks."""
    if not is_lite(network):
        return None
    size, half = _SIZES[network.removesuffix(".in1k")], (0.5, 0.5, 0.5)
    view = {"input_size": (3, size.edge, size.edge), "crop_pct": size.share, "crop_mode": "center"}
    return {**view, "interpolation": "bicubic", "mean": half, "std": half}


class Conv2dSame(nn.Conv2d):
    """A convolution that pads its input as TensorFlow does: where the padding is uneven, at the right and at the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        rows, columns = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(input.shape[2:], self.stride, self.kernel_size, strict=True)
        )
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(functional.pad(input, padding))


class NormAct(nn.BatchNorm2d):
    """Batch norm and what follows it."""

    def __init__(self, channels: int, act: bool = True):
        super().__init__(channels, eps=_EPSILON)
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, input: Tensor) -> Tensor:
        return self.act(super().forward(input))


class DepthwiseSeparable(nn.Module):
    """A convolution of each channel by itself, then one of all channels in each cell: (B, d, h, w) to (B, D, h, w)."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int):
        super().__init__()
        self.conv_dw = _convolution(entering, entering, kernel, stride, groups=entering)
        self.bn1 = NormAct(entering)
        self.conv_pw = _convolution(entering, leaving)
        self.bn2 = NormAct(leaving, act=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(maps))))


class InvertedResidual(nn.Module):
    """The same, with more channels in between; the input is added where its shape is the output's."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        middle = entering * expansion
        self.adds = stride == 1 and entering == leaving
        self.conv_pw = _convolution(entering, middle)
        self.bn1 = NormAct(middle)
        self.conv_dw = _convolution(middle, middle, kernel, stride, groups=middle)
        self.bn2 = NormAct(middle)
        self.conv_pwl = _convolution(middle, leaving)
        self.bn3 = NormAct(leaving, act=False)

    def forward(self, maps: Tensor) -> Tensor:
        made = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(self.bn1(self.conv_pw(maps))))))
        return made + maps if self.adds else made


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite 0, 1 or 2, without its classifier and with random weights, which are to be loaded.

    Source: Tan and Le 2019. Lite has ReLU6, no squeeze and excitation, and the same stem and head in all sizes.

    Args:
        network: timm's name.
    """

    def __init__(self, network: str):
        super().__init__()
        size = _SIZES[network.removesuffix(".in1k")]
        self.conv_stem, self.bn1 = _convolution(3, _STEM, 3, 2), NormAct(_STEM)
        self.blocks = nn.Sequential()
        strides, entering = [2], _STEM
        for repeats, kernel, stride, expansion, channels in _STAGES:
            leaving = _rounded(channels * size.width)
            if 0 < len(self.blocks) < len(_STAGES) - 1:
                repeats = math.ceil(repeats * size.depth)
            stage = [_block(entering, leaving, kernel, stride, expansion)]
            stage += [_block(leaving, leaving, kernel, 1, expansion) for _ in range(repeats - 1)]
            self.blocks.append(nn.Sequential(*stage))
            strides.append(strides[-1] * stride)
            entering = leaving
        self.conv_head, self.bn2 = _convolution(entering, _HEAD), NormAct(_HEAD)
        ends = [index for index, stride in enumerate(strides[1:]) if strides[index + 2 :][:1] != [stride]]
        self.feature_info = [{"stage": index, "reduction": strides[index + 1]} for index in ends]

    def forward_intermediates(
        self, pixels: Tensor, indices: list[int], intermediates_only: bool = False, stop_early: bool = True
    ) -> Any:
        """As timm's: the output (B, D, h, w), and the maps of these indices of `feature_info`, or only the maps."""
        maps, taken = self.bn1(self.conv_stem(pixels)), []
        for index, stage in enumerate(self.blocks):
            maps = stage(maps)
            if index in [self.feature_info[one]["stage"] for one in indices]:
                taken.append(maps)
        return taken if intermediates_only else (self.bn2(self.conv_head(maps)), taken)

    def prune_intermediate_layers(self, indices: list[int], prune_norm: bool, prune_head: bool) -> None:
        """Remove what comes after the last of these maps."""
        self.blocks = self.blocks[: self.feature_info[max(indices)]["stage"] + 1]
        self.conv_head, self.bn2 = nn.Identity(), nn.Identity()


def _block(entering: int, leaving: int, kernel: int, stride: int, expansion: int) -> nn.Module:
    if expansion == 1:
        return DepthwiseSeparable(entering, leaving, kernel, stride)
    return InvertedResidual(entering, leaving, kernel, stride, expansion)


def _convolution(entering: int, leaving: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(entering, leaving, kernel, padding=kernel // 2, groups=groups, bias=False)
    return Conv2dSame(entering, leaving, kernel, stride, groups=groups, bias=False)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth smaller."""
    rounded = int(channels + 4) // 8 * 8
    return rounded if rounded >= 0.9 * channels else rounded + 8
