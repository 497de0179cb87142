"""The LSTM decoder of Show, Attend and Tell, which attends to the regions for each word. A GRU or a plain RNN can replace the LSTM.

Shapes: B photos, Q captions of one photo, T words, R regions, D region feature, H state, E word vector, C context, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory, Query
from captioner.decoders.cells import CELLS, open_forget_gate
from captioner.decoders.recurrent import (
    MeanDropout,
    RecurrentDecoder,
    RecurrentState,
    for_captions,
    in_float32,
)
from captioner.layers.linear import Linear
from captioner.ranges import Fraction, OneOf, Probability, Size


class LSTMDecoder(RecurrentDecoder):
    r"""An LSTM reads the caption so far, attends to the regions, and predicts the next word.

    `attend="before"` is Show, Attend and Tell (Xu et al. 2015, section 3.1.2): the state attends before it reads the previous word, and
    the context enters the LSTM together with that word:
    $h_t = \mathrm{LSTM}(E y_{t-1}, h_{t-1}, \hat z_t)$, $\hat z_t = \beta_t \phi(a, h_{t-1})$.
    `attend="after"` is the spatial attention of Lu et al. 2017, section 2.2: the LSTM reads the previous word and the mean region, then
    its new state attends, and the context goes to the output alone.

    The first state is a tanh layer of the mean region, as in the authors' code. `gate` is $\beta_t$, which scales the context and is
    computed from the state that attends: one number (the paper, section 4.2.1), a vector (a widely used reimplementation), or none.
    `output="deep"` is the paper's deep output layer (section 3.1.2) with the tanh of the authors' code,
    $\tanh(E y_{t-1} + L_h h_t + L_z \hat z_t)$; `"state"` predicts from $h_t$ alone.

    Args:
        attention: any kind.
        region_size: size of one region's feature (D).
        vocabulary_size: number of words in the vocabulary (V).
        hidden_size: size of the LSTM's state and of its memory cell (H).
        word_size: size of a word's vector (E).
        dropout: dropout on word vectors and on the output.
        gate: gate that scales the context: one number, a vector, or none.
        attend: whether the state attends before or after it reads the previous word.
        output: what the next word is predicted from: `deep`, the previous word, the state and the context; `state`, the state alone.
        cell: the recurrent cell; a GRU (Cho et al. 2014) and a plain RNN have no memory cell.
        mean_dropout: fraction of training photos whose mean region is replaced by a learned vector, so that words have to come from what
            is attended to; with 1, every photo's, also outside training.

    Raises:
        ValueError: the arguments do not fit each other.
    """

    def __init__(
        self,
        attention: Attention,
        region_size: int,
        vocabulary_size: int,
        hidden_size: Size = 512,
        word_size: Size = 512,
        dropout: Fraction = 0.5,
        gate: Literal["none", "scalar", "vector"] = "scalar",
        attend: Literal["before", "after"] = "before",
        output: Literal["deep", "state"] = "deep",
        cell: Annotated[str, OneOf(CELLS)] = "lstm",
        mean_dropout: Probability = 0.0,
    ):
        super().__init__()
        if attend == "after" and output == "state":
            raise ValueError(
                "output 'state' needs attend 'before', got 'after', with which the context would not reach the words; "
                "choose output: deep, or attend: before"
            )
        if attention.needs_cell and (attend == "before" or cell != "lstm"):
            raise ValueError(
                f"this attention needs the memory cell of an LSTM that has read the previous word, got attend {attend!r} "
                f"and cell {cell!r}; choose attend: after and cell: lstm, or another kind"
            )
        self.attend, self.output, self.cell = attend, output, CELLS[cell]
        self.attention = attention
        context_size = attention.context_size
        gate_size = {"none": 0, "scalar": 1, "vector": context_size}[gate]
        all_gates = (self.cell.num_gates + 1) * hidden_size
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.to_hidden = Linear(region_size, hidden_size)
        self.to_cell = Linear(region_size, hidden_size) if self.cell.has_memory else None
        self.from_word = Linear(word_size, all_gates)
        self.from_hidden = Linear(hidden_size, all_gates, bias=False)
        self.from_photo = Linear(context_size if attend == "before" else region_size, all_gates, bias=False)
        self.gate = Linear(hidden_size, gate_size) if gate_size else None
        if output == "deep":
            self.hidden_to_output = Linear(hidden_size, word_size)
            self.context_to_output = Linear(context_size, word_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.mean_dropout = MeanDropout.of(region_size, mean_dropout)
        self.to_vocabulary = Linear(word_size if output == "deep" else hidden_size, vocabulary_size)
        self._initialise()
        if self.cell.has_memory:
            open_forget_gate(self.from_word.bias, hidden_size)

    @staticmethod
    def cell_input_size(hidden_size: int, word_size: int, region_size: int) -> int:
        return word_size + region_size

    def start(self, memory: Memory, num_captions: int) -> RecurrentState:
        hidden = torch.tanh(self.to_hidden(memory.mean))
        if self.to_cell is None:
            return RecurrentState((for_captions(hidden, num_captions),))
        cell = in_float32(torch.tanh(self.to_cell(memory.mean)))
        return RecurrentState((for_captions(hidden, num_captions), for_captions(cell, num_captions)))

    def photo_gates(self, mean: Tensor) -> Tensor | None:
        return None if self.attend == "before" else self.from_photo(mean)

    def read_word(
        self, vectors: Tensor, gate_inputs: Tensor, state: RecurrentState, memory: Memory, need_weights: bool
    ) -> tuple[Attended, RecurrentState]:
        if self.attend == "before":
            attended = self._attend(state, state, vectors, memory, need_weights)
            return attended, self._next(gate_inputs + self.from_photo(attended.context), state)
        new = self._next(gate_inputs, state)
        return self._attend(new, state, vectors, memory, need_weights), new

    def _next(self, gate_inputs: Tensor, state: RecurrentState) -> RecurrentState:
        values = self.cell.step(gate_inputs, self.from_hidden(state.hidden), state.values)
        return RecurrentState(values, state.position + 1)

    def _attend(
        self, state: RecurrentState, previous: RecurrentState, vectors: Tensor, memory: Memory, need_weights: bool
    ) -> Attended:
        """Attend with `state`; `previous` is the state before this step's word (B, Q, E) was read."""
        position = torch.full(state.hidden.shape[:2], previous.position, device=state.hidden.device)
        query = Query(state.hidden, position)
        if self.attention.needs_cell:
            cell_input = torch.cat([vectors, for_captions(memory.mean, vectors.shape[1]).to(vectors.dtype)], -1)
            query = replace(query, previous_hidden=previous.hidden, cell=state.values[1], cell_input=cell_input)
        attended = self.attention(query, memory, need_weights)
        if self.gate is None:
            return attended
        gate = torch.sigmoid(self.gate(state.hidden))  # (B, Q, 1 or C)
        return replace(attended, context=gate * attended.context, gate=gate.mean(-1))

    def predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        if self.output == "state":
            return self.dropout(hidden)
        return self.dropout(torch.tanh(vectors + self.hidden_to_output(hidden) + self.context_to_output(context)))
