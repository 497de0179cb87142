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

    The k largest lie in the k stretches whose own largest are the largest, or behind the last whole stretch.
    """
    num_stretches = values.shape[-1] // _STRETCH
    if num_stretches <= count:
        return Largest(*values.topk(count))
    whole = num_stretches * _STRETCH
    tops = values[..., :whole].unflatten(-1, (num_stretches, _STRETCH)).amax(-1)  # (..., C)
    places = torch.arange(values.shape[-1], device=values.device)
    within = tops.topk(count).indices[..., None] * _STRETCH + places[:_STRETCH]  # (..., k, W)
    places = torch.cat([within.flatten(-2), places[whole:].expand(*tops.shape[:-1], -1)], -1)
    found = values.gather(-1, places).topk(count)
    return Largest(found.values, places.gather(-1, found.indices))
