"""The Att2in decoder, the usual starting point of self-critical training: an LSTM whose candidate reads the context.

Shapes: B photos, Q captions of one photo, D region feature, H state, E word vector, C context, V vocabulary.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.attention import Attended, Attention, Memory, Query
from captioner.decoders.cells import lstm, open_forget_gate
from captioner.decoders.recurrent import MeanDropout, RecurrentDecoder, RecurrentState, for_captions, in_float32
from captioner.layers.linear import Linear
from captioner.ranges import Fraction, Probability, Size


class Att2inDecoder(RecurrentDecoder):
    r"""The state attends, then the LSTM reads the previous word, and the context reaches the cell's candidate alone:
    $\phi(W_z x_t + W_{zI} I_t + W_{zh} h_{t-1})$ with $\phi$ the larger of two numbers (maxout). Words are predicted from the state.

    Source: Rennie et al. 2017, section 2; `context_to="gates"` is their Att2all, in which the context reaches the gates too.
    The first state is a tanh layer of the mean region, as in `lstm`.

    Args:
        attention: any kind that needs no memory cell.
        region_size: size of one region's feature (D).
        vocabulary_size: number of words in the vocabulary (V).
        hidden_size: size of the LSTM's state and of its memory cell (H).
        word_size: size of a word's vector (E).
        dropout: dropout on word vectors and on the output.
        context_to: what the context reaches: the cell's candidate alone, or its gates too.
        mean_dropout: fraction of training photos whose mean region is replaced by a learned vector, so that words have to come from what
            is attended to; with 1, every photo's, also outside training.

    Raises:
        ValueError: the attention needs the memory cell of an LSTM that has read the previous word.
    """

    attend = "before"

    def __init__(
        self,
        attention: Attention,
        region_size: int,
        vocabulary_size: int,
        hidden_size: Size = 512,
        word_size: Size = 512,
        dropout: Fraction = 0.5,
        context_to: Literal["candidate", "gates"] = "candidate",
        mean_dropout: Probability = 0.0,
    ):
        super().__init__()
        if attention.needs_cell:
            raise ValueError(
                "this attention needs the memory cell of an LSTM that has read the previous word, got att2in, which attends "
                "before; choose decoder.kind=lstm with attend: after, or another kind of attention"
            )
        self.attention = attention
        candidate_size = 2 * hidden_size  # maxout
        all_gates = 3 * hidden_size + candidate_size
        self.skipped = 3 * hidden_size if context_to == "candidate" else 0  # gates that the context does not reach
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.to_hidden = Linear(region_size, hidden_size)
        self.to_cell = Linear(region_size, hidden_size)
        self.from_word = Linear(word_size, all_gates)
        self.from_hidden = Linear(hidden_size, all_gates, bias=False)
        self.from_photo = Linear(attention.context_size, all_gates - self.skipped, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.mean_dropout = MeanDropout.of(region_size, mean_dropout)
        self.to_vocabulary = Linear(hidden_size, vocabulary_size)
        self._initialise()
        open_forget_gate(self.from_word.bias, hidden_size)

    def start(self, memory: Memory, num_captions: int) -> RecurrentState:
        hidden = torch.tanh(self.to_hidden(memory.mean))
        cell = in_float32(torch.tanh(self.to_cell(memory.mean)))
        return RecurrentState((for_captions(hidden, num_captions), for_captions(cell, num_captions)))

    def read_word(
        self, vectors: Tensor, gate_inputs: Tensor, state: RecurrentState, memory: Memory, need_weights: bool
    ) -> tuple[Attended, RecurrentState]:
        position = torch.full(state.hidden.shape[:2], state.position, device=state.hidden.device)
        attended = self.attention(Query(state.hidden, position), memory, need_weights)
        from_context = functional.pad(self.from_photo(attended.context), (self.skipped, 0))  # zeros for skipped gates
        values = lstm(gate_inputs + from_context, self.from_hidden(state.hidden), state.values, maxout)
        return attended, RecurrentState(values, state.position + 1)

    def predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        return self.dropout(hidden)


def maxout(candidate: Tensor) -> Tensor:
    """The larger of two numbers for each of H: (..., 2 H) to (..., H). Source: Goodfellow et al. 2013."""
    return candidate.unflatten(-1, (2, -1)).amax(-2)
