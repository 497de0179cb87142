"""Recurrent cells as functions of their gate inputs, so that a decoder computes the words' part once for a whole caption.

Shapes: B photos, Q captions, H state, G all gates together. `gate_inputs` (B, Q, G) come from what the cell reads, `recurrent`
(B, Q, G) from its previous state. The candidate is the last part of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """A kind of cell: the number of its gates besides the candidate, its step, and whether it has a memory cell."""

    num_gates: int
    step: Callable[[Tensor, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
    has_memory: bool = False


def lstm(
    gate_inputs: Tensor,
    recurrent: Tensor,
    values: tuple[Tensor, ...],
    activation: Callable[[Tensor], Tensor] = torch.tanh,
) -> tuple[Tensor, Tensor]:
    """Hidden state and memory cell. `activation` is that of the candidate. The memory cell stays in float32.

    Source: Xu et al. 2015, section 3.1.2.
    """
    hidden, cell = values
    input_gate, forget_gate, output_gate, candidate = _gates(gate_inputs + recurrent, 3, hidden.shape[-1])
    cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * activation(candidate)
    return torch.sigmoid(output_gate) * torch.tanh(cell).to(output_gate.dtype), cell


def gru(gate_inputs: Tensor, recurrent: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Hidden state.

    Source: Cho et al. 2014, section 2.3. Differs: the reset gate scales the product with the state, as in PyTorch's GRU.
    """
    (hidden,) = values
    reset, update, candidate = _gates(gate_inputs, 2, hidden.shape[-1])
    recurrent_reset, recurrent_update, recurrent_candidate = _gates(recurrent, 2, hidden.shape[-1])
    new = torch.tanh(candidate + torch.sigmoid(reset + recurrent_reset) * recurrent_candidate)
    update = torch.sigmoid(update + recurrent_update)
    return (update * hidden + (1 - update) * new,)


def rnn(gate_inputs: Tensor, recurrent: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Hidden state. Source: Elman 1990."""
    return (torch.tanh(gate_inputs + recurrent),)


@torch.no_grad()
def open_forget_gate(bias: Tensor, hidden_size: int) -> None:
    """Set an LSTM's forget bias to 1, in its bias (G,). Source: Jozefowicz et al. 2015, section 2.2."""
    bias[hidden_size : 2 * hidden_size].fill_(1.0)


def _gates(all_gates: Tensor, num_gates: int, size: int) -> tuple[Tensor, ...]:
    """The gates and, last, the candidate."""
    return all_gates.split([size] * num_gates + [all_gates.shape[-1] - num_gates * size], -1)


CELLS: dict[str, Cell] = {"lstm": Cell(3, lstm, has_memory=True), "gru": Cell(2, gru), "rnn": Cell(0, rnn)}
