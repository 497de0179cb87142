"""`nn.Linear` for decoders, and what the steps of a loop over words share: weight gradients, packed weights and working memory.

A weight gradient per word is a product over a few dozen rows, and then a sum over words of matrices as large as the weight; this took
a third of a training step of an LSTM decoder. Inside `word_loop()`, the inputs and output gradients of all words are kept, and the weight
gradient is one product over all of them. A search, which has no gradients, packs every weight once (`products.pack`). Values and
gradients are those of `nn.Linear`; tests tie them.

On a CPU, fresh memory costs more than the arithmetic in it, because the system clears every page. `workspace()` returns the same memory
for every word.

Shapes: I input size, O output size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from captioner.layers import products


class Workspace:
    """Memory for short-lived intermediate results: each `take` overwrites the result of the previous one."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def take(self, shape: torch.Size | tuple[int, ...], like: Tensor) -> Tensor:
        """An uninitialised tensor of this shape, with the dtype and device of `like`."""
        size = math.prod(shape)
        memory = self.memory
        if memory is None or len(memory) < size or memory.dtype != like.dtype or memory.device != like.device:
            memory = self.memory = torch.empty(size, dtype=like.dtype, device=like.device)
        return memory[:size].view(shape)


@dataclass
class _Loop:
    shared: dict[nn.Module, _Shared] = field(default_factory=dict)
    packed: dict[nn.Module, Tensor] = field(default_factory=dict)
    workspace: Workspace = field(default_factory=Workspace)


_current_loop: ContextVar[_Loop | None] = ContextVar("word_loop", default=None)


@contextmanager
def word_loop() -> Iterator[None]:
    """Inside, every `Linear` collects what its weight gradient needs, or packs its weight, and `workspace()` returns the same workspace.

    Weights must not change inside.
    """
    token = _current_loop.set(_Loop())
    try:
        yield
    finally:
        _current_loop.reset(token)


def workspace() -> Workspace:
    """The loop's workspace, or a new one outside a loop."""
    loop = _current_loop.get()
    return loop.workspace if loop is not None else Workspace()


class Linear(nn.Linear):
    """`nn.Linear` with faster products on a CPU, and one weight gradient for all calls inside one `word_loop()`. There is no double
    backward.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or inputs.dim() < 2:
            return super().forward(inputs)
        loop, learns = _current_loop.get(), torch.is_grad_enabled() and self.weight.requires_grad
        given = (inputs, self.weight, self.bias)
        has_gradient = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in given)
        autocast = torch.is_autocast_enabled(inputs.device.type)
        # flattened: for a slice of a batch, functional.linear would copy the weight
        rows = inputs.flatten(0, -2)
        if loop is not None and learns:
            if self not in loop.shared:
                loop.shared[self] = _share(self, inputs.device.type)
            shared = loop.shared[self]
            output = _Apply.apply(rows.to(shared.weight.dtype), shared.weight, shared.bias, shared.calls)
        elif autocast or not products.is_faster(rows, self.weight):
            return super().forward(inputs)
        elif has_gradient:
            output = _Product.apply(rows, self.weight, self.bias)
        else:
            output = products.linear(rows, self._packed(loop), self.bias)
        return output.unflatten(0, inputs.shape[:-1])

    def _packed(self, loop: _Loop | None) -> Tensor:
        if loop is None:
            return self.weight
        if self not in loop.packed:
            loop.packed[self] = products.pack(self.weight)
        return loop.packed[self]


class _Product(torch.autograd.Function):
    """`functional.linear` by `products`."""

    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        for_rows, for_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(rows if for_weight else None, weight if for_rows else None)
        return products.linear(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        rows, weight = ctx.saved_tensors
        for_rows, for_weight, for_bias = ctx.needs_input_grad
        return (
            _back(gradient, weight) if for_rows else None,
            gradient.T @ rows if for_weight else None,
            gradient.sum(0) if for_bias else None,
        )


def _back(gradient: Tensor, weight: Tensor) -> Tensor:
    """The gradient (N, I) of the rows, of that (N, O) of the outputs."""
    return products.linear(gradient, weight.T) if products.is_faster(gradient, weight) else gradient @ weight


@dataclass
class _Calls:
    """The calls that a backward pass has gone through."""

    inputs: list[Tensor] = field(default_factory=list)  # (rows, I) each
    gradients: list[Tensor] = field(default_factory=list)  # (rows, O) each
    backward_pass: int = -1  # its number

    def add(self, rows: Tensor, gradient: Tensor) -> None:
        """Add a call; those of an earlier backward pass, which did not reach the weight, are dropped."""
        current = torch._C._current_graph_task_id()
        if current != self.backward_pass:
            self.clear()
            self.backward_pass = current
        self.inputs.append(rows)
        self.gradients.append(gradient)

    def clear(self) -> None:
        self.inputs.clear()
        self.gradients.clear()


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
    """Forward: the parameters themselves. Backward: one product over all calls, which autograd runs after the last of them."""

    @staticmethod
    def forward(ctx, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, calls: _Calls):
        ctx.set_materialize_grads(False)
        ctx.calls, ctx.dtype, ctx.has_bias = calls, weight.dtype, bias is not None
        return weight.to(dtype).view_as(weight), None if bias is None else bias.to(dtype).view_as(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, *_):
        calls = ctx.calls
        if not calls.gradients:
            return None, None, None, None
        gradients, inputs = torch.cat(calls.gradients), torch.cat(calls.inputs)  # (all rows, O), (all rows, I)
        calls.clear()
        bias = gradients.sum(0, dtype=ctx.dtype) if ctx.has_bias else None
        return (gradients.T @ inputs).to(ctx.dtype), bias, None, None


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor | None, calls: _Calls) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.calls = calls
        if products.is_faster(rows, weight):
            return products.linear(rows, weight, bias)
        with torch.autocast(rows.device.type, enabled=False):
            return functional.linear(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        rows, weight = ctx.saved_tensors
        ctx.calls.add(rows, gradient)
        return _back(gradient, weight), None, None, None
