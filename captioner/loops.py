"""Linear layers that a loop over words calls once per word, with one weight gradient for the whole loop.

A weight gradient per word is a product over a few dozen rows, then a sum over words of matrices as large as the weight: on a
training step of an LSTM decoder that was a third of the time. Inside `word_loop()` the inputs and output gradients of all words are
kept, and the weight's gradient is one product over all of them. Values and gradients are those of `nn.Linear`; a test ties them.

Shapes: I input size, O output size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_current_loop: ContextVar[dict[nn.Module, _Shared] | None] = ContextVar("word_loop", default=None)


@contextmanager
def word_loop() -> Iterator[None]:
    """Inside, every `LoopLinear` collects what its weight gradient needs. Gradients are taken once: no double backward."""
    token = _current_loop.set({})
    try:
        yield
    finally:
        _current_loop.reset(token)


class LoopLinear(nn.Linear):
    """`nn.Linear`, with one weight gradient for all calls inside one `word_loop()`."""

    def forward(self, inputs: Tensor) -> Tensor:
        loop = _current_loop.get()
        if loop is None or not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(inputs)
        if self not in loop:
            loop[self] = _share(self, inputs.device.type)
        shared = loop[self]
        return _Apply.apply(inputs.to(shared.weight.dtype), shared.weight, shared.bias, shared.calls)


@dataclass
class _Calls:
    inputs: list[Tensor] = field(default_factory=list)  # (rows, I) each
    gradients: list[Tensor] = field(default_factory=list)  # (rows, O) each


@dataclass(frozen=True)
class _Shared:
    weight: Tensor  # (O, I) in the dtype of the products
    bias: Tensor | None
    calls: _Calls


def _share(layer: nn.Linear, device_type: str) -> _Shared:
    autocast = torch.is_autocast_enabled(device_type)
    dtype = torch.get_autocast_dtype(device_type) if autocast else layer.weight.dtype
    calls = _Calls()
    weight, bias = _Collect.apply(layer.weight, layer.bias, dtype, calls)
    return _Shared(weight, bias, calls)


class _Collect(torch.autograd.Function):
    """The parameters themselves going in; coming back, one product over all calls. Autograd runs it after the last of them."""

    @staticmethod
    def forward(ctx, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, calls: _Calls):
        ctx.set_materialize_grads(False)
        ctx.calls, ctx.dtype, ctx.has_bias = calls, weight.dtype, bias is not None
        return weight.to(dtype, copy=False).view_as(weight), bias.to(dtype).view_as(bias) if ctx.has_bias else None

    @staticmethod
    @once_differentiable
    def backward(ctx, *_):
        calls = ctx.calls
        if not calls.gradients:
            return None, None, None, None
        gradients, inputs = torch.cat(calls.gradients), torch.cat(calls.inputs)  # (all rows, O), (all rows, I)
        calls.gradients.clear()
        calls.inputs.clear()
        bias = gradients.sum(0, dtype=ctx.dtype) if ctx.has_bias else None
        return (gradients.T @ inputs).to(ctx.dtype), bias, None, None


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor | None, calls: _Calls) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.calls = calls
        with torch.autocast(inputs.device.type, enabled=False):
            return functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        inputs, weight = ctx.saved_tensors
        ctx.calls.inputs.append(inputs.flatten(0, -2))
        ctx.calls.gradients.append(gradient.flatten(0, -2))
        return gradient @ weight, None, None, None
