"""The two LSTMs of Bottom-Up and Top-Down Attention: one attends, the other writes.

Shapes: B photos, Q captions of one photo, T words, D region feature, H state, E word vector, C context, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory, Query
from captioner.decoders.cells import lstm, open_forget_gate
from captioner.decoders.recurrent import (
    MeanDropout,
    RecurrentDecoder,
    RecurrentState,
    for_captions,
    in_float32,
)
from captioner.layers.linear import Linear
from captioner.ranges import Fraction, Probability, Size


class TopDownDecoder(RecurrentDecoder):
    r"""The attention LSTM reads the previous word, the mean region and the language LSTM's state, and attends. The language LSTM reads the
    context and predicts the next word.

    Source: Anderson et al. 2018, section 3.2: $x^1_t = [h^2_{t-1}, \bar v, W_e \Pi_t]$, attention with query $h^1_t$ (there with the
    additive score), $x^2_t = [\hat v_t, h^1_t]$, $p(y_t) = \mathrm{softmax}(W_p h^2_t + b_p)$. Both LSTMs start from zero.

    Args:
        attention: any kind.
        region_size: size of one region's feature (D).
        vocabulary_size: number of words in the vocabulary (V).
        hidden_size: size of both states (H).
        word_size: size of a word's vector (E).
        dropout: dropout on word vectors and on the output.
        mean_dropout: fraction of training photos whose mean region is replaced by a learned vector, so that words have to come from what
            is attended to; with 1, every photo's, also outside training.
    """

    attend = "after"

    def __init__(
        self,
        attention: Attention,
        region_size: int,
        vocabulary_size: int,
        hidden_size: Size = 512,
        word_size: Size = 512,
        dropout: Fraction = 0.5,
        mean_dropout: Probability = 0.0,
    ):
        super().__init__()
        self.hidden_size = hidden_size
        self.attention = attention
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.from_word = Linear(word_size, 4 * hidden_size)
        self.from_mean = Linear(region_size, 4 * hidden_size, bias=False)
        self.from_both = Linear(2 * hidden_size, 4 * hidden_size, bias=False)  # h2 and h1 into the attention LSTM
        self.from_seen = Linear(attention.context_size, 4 * hidden_size)
        self.from_states = Linear(2 * hidden_size, 4 * hidden_size, bias=False)  # h1 and h2 into the language LSTM
        self.dropout = nn.Dropout(dropout)
        self.mean_dropout = MeanDropout.of(region_size, mean_dropout)
        self.to_vocabulary = Linear(hidden_size, vocabulary_size)
        self._initialise()
        open_forget_gate(self.from_word.bias, hidden_size)
        open_forget_gate(self.from_seen.bias, hidden_size)

    @staticmethod
    def cell_input_size(hidden_size: int, word_size: int, region_size: int) -> int:
        return hidden_size + region_size + word_size

    def start(self, memory: Memory, num_captions: int) -> RecurrentState:
        """The language LSTM's state and cell, then the attention LSTM's."""
        zeros = memory.mean.new_zeros(memory.mask.shape[0], num_captions, self.hidden_size)
        return RecurrentState((zeros, in_float32(zeros), zeros, in_float32(zeros)))

    def photo_gates(self, mean: Tensor) -> Tensor:
        return self.from_mean(mean)

    def read_word(
        self, vectors: Tensor, gate_inputs: Tensor, state: RecurrentState, memory: Memory, need_weights: bool
    ) -> tuple[Attended, RecurrentState]:
        language, language_cell, previous, previous_cell = state.values
        recurrent = self.from_both(torch.cat([language, previous], -1))
        hidden, cell = lstm(gate_inputs, recurrent, (previous, previous_cell))  # the attention LSTM
        query = Query(hidden, torch.full(hidden.shape[:2], state.position, device=hidden.device))
        if self.attention.needs_cell:
            mean = for_captions(memory.mean, vectors.shape[1]).to(vectors.dtype)
            cell_input = torch.cat([language.to(vectors.dtype), mean, vectors], -1)
            query = replace(query, previous_hidden=previous, cell=cell, cell_input=cell_input)
        attended = self.attention(query, memory, need_weights)
        recurrent = self.from_states(torch.cat([hidden, language.to(hidden.dtype)], -1))
        values = lstm(self.from_seen(attended.context), recurrent, (language, language_cell))
        return attended, RecurrentState((*values, hidden, cell), state.position + 1)

    def predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        return self.dropout(hidden)
