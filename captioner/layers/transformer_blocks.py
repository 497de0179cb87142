"""What a Transformer's layers are made of besides attention.

Shapes: T places, S size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_NUM_VALUES = 2**16  # that 16 bits can have


class Dropout(nn.Dropout):
    """`nn.Dropout`; on a CPU it draws 16 random bits an element, which is faster (`benchmarks/attention.py` says by how much).

    There the probability is rounded to a multiple of 1 / 65,536, by which what is kept is scaled. It is for layers that draw a mask for
    every sublayer; recurrent decoders, which draw one or two a step, keep PyTorch's own.
    """

    def __init__(self, p: float):
        super().__init__(p)

    def forward(self, inputs: Tensor) -> Tensor:
        num_kept = round((1 - self.p) * _NUM_VALUES)
        if not self.training or inputs.device.type != "cpu" or num_kept in (0, _NUM_VALUES):
            return super().forward(inputs)
        num_draws = -(-inputs.numel() // 4)  # 64 bits are four elements'
        draws = inputs.new_empty(num_draws, dtype=torch.int64).random_(-(2**63), None)
        drawn = draws.view(torch.int16)[: inputs.numel()].view(inputs.shape)  # from -32,768 on
        return inputs * (drawn < num_kept - _NUM_VALUES // 2).to(inputs.dtype).mul_(_NUM_VALUES / num_kept)


def feedforward(size: int, width: int, dropout: float) -> nn.Module:
    """Two linear layers with a ReLU between them. Source: Vaswani et al. 2017, section 3.3."""
    return nn.Sequential(nn.Linear(size, width), nn.ReLU(), Dropout(dropout), nn.Linear(width, size))


def sinusoids(places: Tensor, size: int) -> Tensor:
    """(..., S) float32 of places (...): sines in the first half and cosines in the second, of wavelengths from 2 pi to 10,000 times that.

    Source: Vaswani et al. 2017, section 3.5. Differs: there sines and cosines alternate, which is the same up to the order of columns.
    """
    half = (size + 1) // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-math.log(10_000) / max(half, 1)))
    angles = places[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)[..., :size]
