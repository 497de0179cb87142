"""The largest of many values.

Shapes: V values, k of them wanted, C chunks of W values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 64  # W


class Largest(NamedTuple):
    """Values (..., k), largest first, and their indices."""

    values: Tensor
    indices: Tensor


def largest(values: Tensor, count: int) -> Largest:
    """`values.topk(count)`, 4 times as fast over a vocabulary on a CPU.

    The k largest values are in the k chunks with the largest maxima, or after the last whole chunk.
    """
    num_chunks = values.shape[-1] // _CHUNK
    if num_chunks <= count:
        return Largest(*values.topk(count))
    whole = num_chunks * _CHUNK
    maxima = values[..., :whole].unflatten(-1, (num_chunks, _CHUNK)).amax(-1)  # (..., C)
    indices = torch.arange(values.shape[-1], device=values.device)
    in_chunks = maxima.topk(count).indices[..., None] * _CHUNK + indices[:_CHUNK]  # (..., k, W)
    indices = torch.cat([in_chunks.flatten(-2), indices[whole:].expand(*maxima.shape[:-1], -1)], -1)
    best = values.gather(-1, indices).topk(count)
    return Largest(best.values, indices.gather(-1, best.indices))
