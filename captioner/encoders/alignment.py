"""Regions that look at their own cell of the photo.

A convolution or pooling with stride s, kernel k and p rows of padding above centres its first output at row (k - 1) / 2 - p of its input,
and the cell of that output is centred at (s - 1) / 2. Where the two differ, the error grows with the stride that came before, and all
regions look beside their cells: (k, s, p) = (3, 2, 1) errs by half a row, so that a network with five such layers looks 15.5 pixels up and
to the left of every cell of 32 pixels, and one that pads as TensorFlow does, below only, 15.5 pixels down and to the right.

This is the geometry of the layers. Trained weights may make up for a part of it, so compare both with boxes; see docs/right-maps.md.
`align` shifts the input of the last layers with a stride by one row and column, which is half a cell of the result. The network computes
the same function of the photo at other places.

Shapes: B photos, D channels, h and w cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class _Strided:
    """A layer with a stride, as one forward pass uses it."""

    layer: Any
    before: int  # cells from top to bottom of its input
    error: float  # where it centres an output minus the centre of the output's cell, in cells of its input


class Shift:
    """Moves a layer's input (B, D, h, w) by whole cells, down and right if positive; cells at the border are repeated."""

    def __init__(self, cells: int):
        self.cells = cells

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        maps, size = inputs[0], abs(self.cells)
        height, width = maps.shape[2:]
        if self.cells > 0:
            maps = functional.pad(maps[..., : height - size, : width - size], (size, 0, size, 0), mode="replicate")
        else:
            maps = functional.pad(maps[..., size:, size:], (0, size, 0, size), mode="replicate")
        return (maps, *inputs[1:])


def align(network: nn.Module, run: Callable[[], Any], view_height: int) -> float:
    """Shift a network's last layers with a stride, so that regions look at their own cells.

    Args:
        network: convolutional; a network without strides, or with even kernels, is left as it is.
        run: one forward pass of the network.
        view_height: pixels from top to bottom of the network's input.

    Returns:
        How far the centres of the receptive fields are from those of the cells now, in pixels; positive: down and to the right.
    """
    layers = _strided_layers(network, run)
    if not layers:
        return 0.0
    last = min(one.before for one in layers)
    pixels = {one.before: view_height / one.before for one in layers}
    error = sum(_widest(layers, before).error * pixels[before] for before in pixels)
    cells = round(error / pixels[last])
    if cells:
        for one in layers:
            if one.before == last:
                one.layer.register_forward_pre_hook(Shift(cells))
    return error - cells * pixels[last]


def _widest(layers: list[_Strided], before: int) -> _Strided:
    """Of the layers with this input size, such as a block's and its shortcut's, the one with the largest kernel."""
    return max((one for one in layers if one.before == before), key=lambda one: _first(one.layer.kernel_size))


def _strided_layers(network: nn.Module, run: Callable[[], Any]) -> list[_Strided]:
    layers: list[_Strided] = []

    def note(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        before, after = inputs[0].shape[2], output.shape[2]
        kernel, stride = _first(layer.kernel_size), _first(layer.stride)
        if after > 1 and stride > 1:
            total = max((after - 1) * stride + kernel - before, 0)
            own = layer.padding if not isinstance(layer.padding, str) else 0
            above = _first(own) or total // 2  # a layer that pads its input itself has no padding of its own
            layers.append(_Strided(layer, before, (kernel - 1) / 2 - above - (stride - 1) / 2))

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, kinds)]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def _first(value: Any) -> int:
    """The first of a pair, or the number itself."""
    return value[0] if isinstance(value, tuple) else value
