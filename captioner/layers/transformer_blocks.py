"""Parts of a Transformer's layers besides attention.

Shapes: T positions, S size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from captioner.layers.linear import Linear

_NUM_VALUES = 2**16  # of 16 random bits


class Dropout(nn.Dropout):
    """`nn.Dropout`, faster on a CPU, where it draws 16 random bits per element (measured by `benchmarks/attention.py`).

    There the probability is rounded to a multiple of 1 / 65,536. It is meant for layers that draw a mask
    in every sublayer; recurrent decoders, which draw one or two per step, use PyTorch's.
    """

    def __init__(self, p: float):
        super().__init__(p)

    def forward(self, inputs: Tensor) -> Tensor:
        num_kept = round((1 - self.p) * _NUM_VALUES)
        if not self.training or inputs.device.type != "cpu" or num_kept in (0, _NUM_VALUES):
            return super().forward(inputs)
        num_draws = -(-inputs.numel() // 4)  # 64 bits serve four elements
        draws = inputs.new_empty(num_draws, dtype=torch.int64).random_(-(2**63), None)
        drawn = draws.view(torch.int16)[: inputs.numel()].view(inputs.shape)  # -32,768 to 32,767
        return inputs * (drawn < num_kept - _NUM_VALUES // 2).to(inputs.dtype).mul_(_NUM_VALUES / num_kept)


def feedforward(size: int, width: int, dropout: float) -> nn.Module:
    """Two linear layers with a ReLU between them. Source: Vaswani et al. 2017, section 3.3."""
    return nn.Sequential(Linear(size, width), nn.ReLU(), Dropout(dropout), Linear(width, size))


def sinusoids(positions: Tensor, size: int) -> Tensor:
    """Encode positions (...) as (..., S) float32: sines, then cosines, of wavelengths from 2 pi to 10,000 times 2 pi.

    Source: Vaswani et al. 2017, section 3.5. Differs: there sines and cosines alternate; only the order of columns differs.
    """
    half = (size + 1) // 2
    rates = torch.exp(torch.arange(half, device=positions.device) * (-math.log(10_000) / max(half, 1)))
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)[..., :size]
