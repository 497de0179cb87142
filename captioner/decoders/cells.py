"""Recurrent cells as functions of what enters them: products that words share are made outside, once for a whole caption.

Shapes: B photos, Q captions, H state, G all gates together. `input_gates` (B, Q, G) come from what the cell reads, `recurrent`
(B, Q, G) from its previous state. The candidate is the last part of both, and twice as wide under maxout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Squash = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Cell:
    """A kind of cell: how many gates it has besides the candidate, how it steps, and whether it keeps a memory cell."""

    num_gates: int
    step: Callable[[Tensor, Tensor, tuple[Tensor, ...], Squash], tuple[Tensor, ...]]
    has_memory: bool = False


def lstm(input_gates: Tensor, recurrent: Tensor, values: tuple[Tensor, ...], squash: Squash) -> tuple[Tensor, ...]:
    """Hidden and memory cell. Source: Xu et al. 2015, section 3.1.2. The memory cell stays in float32."""
    hidden, cell = values
    enter, forget, expose, candidate = _gates(input_gates + recurrent, 3, hidden.shape[-1])
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * squash(candidate)
    return torch.sigmoid(expose) * torch.tanh(cell).to(expose.dtype), cell


def gru(input_gates: Tensor, recurrent: Tensor, values: tuple[Tensor, ...], squash: Squash) -> tuple[Tensor, ...]:
    """Hidden. Source: Cho et al. 2014, section 2.3. Differs: the reset gate scales the product with the state, as in PyTorch's GRU."""
    (hidden,) = values
    reset, keep, candidate = _gates(input_gates, 2, hidden.shape[-1])
    old_reset, old_keep, old_candidate = _gates(recurrent, 2, hidden.shape[-1])
    new = squash(candidate + _as_wide(torch.sigmoid(reset + old_reset), candidate) * old_candidate)
    keep = torch.sigmoid(keep + old_keep)
    return (keep * hidden + (1 - keep) * new,)


def rnn(input_gates: Tensor, recurrent: Tensor, values: tuple[Tensor, ...], squash: Squash) -> tuple[Tensor, ...]:
    """Hidden. Source: Elman 1990."""
    return (squash(input_gates + recurrent),)


def maxout(candidate: Tensor) -> Tensor:
    """The larger of two numbers, for each of H. Source: Goodfellow et al. 2013; Rennie et al. 2017 use it for the candidate."""
    return candidate.unflatten(-1, (2, -1)).amax(-2)


@torch.no_grad()
def open_forget_gate(bias: Tensor, hidden_size: int) -> None:
    """Let an LSTM's forget gate start open: 1 in the bias (G,) that enters it. Source: Jozefowicz et al. 2015, section 2.2."""
    bias[hidden_size : 2 * hidden_size].fill_(1.0)


def _gates(all_gates: Tensor, num_gates: int, size: int) -> tuple[Tensor, ...]:
    return all_gates.split([size] * num_gates + [all_gates.shape[-1] - num_gates * size], -1)


def _as_wide(gate: Tensor, candidate: Tensor) -> Tensor:
    """The gate beside itself where a candidate is twice as wide."""
    return gate if gate.shape == candidate.shape else torch.cat([gate, gate], -1)


CELLS: dict[str, Cell] = {"lstm": Cell(3, lstm, has_memory=True), "gru": Cell(2, gru), "rnn": Cell(0, rnn)}
CANDIDATES: dict[str, Squash] = {"tanh": torch.tanh, "maxout": maxout}
