"""Show and Tell: the photo as one vector, read once before the first word. The baseline without regions.

Shapes: B photos, Q captions of one photo, D region feature, H state, E word vector, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory, NoAttention, Query
from captioner.decoders.cells import lstm, open_forget_gate
from captioner.decoders.recurrent import RecurrentDecoder, RecurrentState, for_captions, in_float32
from captioner.layers.linear import Linear
from captioner.ranges import Fraction, Size


class ShowAndTellDecoder(RecurrentDecoder):
    r"""An LSTM that reads the mean region once, as if it were the first word, then the words; no attention: $x_{-1} = W_v \bar v$.

    Source: Vinyals et al. 2015, section 3.1, where the network's pooled features are the mean region.

    Args:
        attention: `none`, since there is no attention to regions.
        region_size: size of one region's feature (D).
        vocabulary_size: number of words in the vocabulary (V).
        hidden_size: size of the LSTM's state (H).
        word_size: size of a word's vector (E).
        dropout: dropout on word vectors and on the output.

    Raises:
        ValueError: another kind of attention.
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
    ):
        super().__init__()
        if not isinstance(attention, NoAttention):
            raise ValueError(
                f"show_and_tell reads the photo once, as one vector, got {type(attention).__name__}; "
                "choose attention.kind=none, or a decoder that attends, such as lstm"
            )
        self.hidden_size = hidden_size
        self.attention = attention
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.photo_as_word = Linear(region_size, word_size)
        self.from_word = Linear(word_size, 4 * hidden_size)
        self.from_hidden = Linear(hidden_size, 4 * hidden_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.to_vocabulary = Linear(hidden_size, vocabulary_size)
        self._initialise()
        open_forget_gate(self.from_word.bias, hidden_size)

    def start(self, memory: Memory, num_captions: int) -> RecurrentState:
        photo = self.from_word(self.photo_as_word(memory.mean))  # (B, G)
        zeros = photo.new_zeros(photo.shape[0], self.hidden_size)
        hidden, cell = lstm(photo, torch.zeros_like(photo), (zeros, in_float32(zeros)))
        return RecurrentState((for_captions(hidden, num_captions), for_captions(cell, num_captions)))

    def read_word(
        self, vectors: Tensor, gate_inputs: Tensor, state: RecurrentState, memory: Memory, need_weights: bool
    ) -> tuple[Attended, RecurrentState]:
        values = lstm(gate_inputs, self.from_hidden(state.hidden), state.values)
        position = torch.full(state.hidden.shape[:2], state.position, device=state.hidden.device)
        attended = self.attention(Query(values[0], position), memory, need_weights)
        return attended, RecurrentState(values, state.position + 1)

    def predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        return self.dropout(hidden)
