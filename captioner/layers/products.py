"""The product of rows and a weight in float32 on an x86 processor, by oneDNN.

PyTorch has two libraries for it and gives float32 to MKL. oneDNN, which it ships for convolutions, is faster: with a few hundred rows
1.1 to 1.3 times on an AMD processor with AVX-512. With a few dozen rows most of the time goes into bringing the weight into the order in
which the kernel reads it. `pack` does that once for many products (`benchmarks/products.py` measures both).

Shapes: N rows, I input size, O output size.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_SMALLEST = 2**16  # numbers of a weight; below, the call itself takes longer


def is_faster(rows: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN computes this product faster than `torch.nn.functional.linear`."""
    return (
        weight.numel() >= _SMALLEST
        and rows.dtype == weight.dtype == torch.float32
        and rows.device.type == weight.device.type == "cpu"
        and len(rows) > 0
        and rows.shape[-1] == weight.shape[-1]
        and torch.backends.mkldnn.enabled
        and _works_here()
    )


def pack(weight: Tensor) -> Tensor:
    """A weight (O, I) in the order in which the kernel reads it. Only `linear` takes it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach())


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows (N, I) times the weight (O, I), packed or not, plus the bias: (N, O), without gradients; only where `is_faster` says so.

    oneDNN keeps a kernel, up to 1 MB, for every number of rows. So rows of zeros are added, to a multiple of 8 or, above 64, of 32.
    """
    count = len(rows)
    missing = -count % (8 if count <= 64 else 32)
    padded = functional.pad(rows, (0, 0, 0, missing)) if missing else rows
    result = _multiply(padded, weight, bias)
    return result.resize_(count, result.shape[1]) if missing else result


def _multiply(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


@cache
def _works_here() -> bool:
    """Whether this PyTorch has these operations, which are not documented, and they give what they should."""
    if platform.machine().lower() not in {"x86_64", "amd64"} or not torch.backends.mkldnn.is_available():
        return False
    options: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
    rows, weight = torch.linspace(-1, 1, 6, **options).view(2, 3), torch.linspace(0, 1, 12, **options).view(4, 3)
    bias = torch.ones(4, **options)
    try:
        results = [linear(rows, weight, bias), linear(rows, pack(weight), bias)]
    except (AttributeError, RuntimeError):
        return False
    return all(torch.allclose(result, functional.linear(rows, weight, bias)) for result in results)
