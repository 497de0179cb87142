"""What a Transformer's layers are made of besides attention.

Shapes: T places, S size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def feedforward(size: int, width: int, dropout: float) -> nn.Module:
    """Two linear layers with a ReLU between them. Source: Vaswani et al. 2017, section 3.3."""
    return nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, size))


def sinusoids(places: Tensor, size: int) -> Tensor:
    """(..., S) float32 of places (...): sines in the first half and cosines in the second, of wavelengths from 2 pi to 10,000 times that.

    Source: Vaswani et al. 2017, section 3.5. Differs: there sines and cosines alternate, which is the same up to the order of columns.
    """
    half = (size + 1) // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-math.log(10_000) / max(half, 1)))
    angles = places[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)[..., :size]
