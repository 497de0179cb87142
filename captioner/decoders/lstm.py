"""The LSTM decoder of Show, Attend and Tell, which looks at the regions for each word.

Shapes: B photos, Q captions of one photo, T words, R regions, D region feature, H state, E word vector, C context, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.attention import Attended, Attention, Memory, Query
from captioner.decoders.contract import Decoder
from captioner.loops import LoopLinear, word_loop
from captioner.ranges import Fraction, Size
from captioner.regions import Regions
from captioner.vocabulary import PAD


@dataclass(frozen=True)
class LSTMState:
    """What the decoder carries from one word to the next."""

    hidden: Tensor  # (B, Q, H)
    cell: Tensor  # (B, Q, H)
    position: int  # index of the word about to be predicted

    def select(self, beams: Tensor) -> LSTMState:
        index = beams[..., None].expand(-1, -1, self.hidden.shape[-1])
        return replace(self, hidden=self.hidden.gather(1, index), cell=self.cell.gather(1, index))

    def first(self, num_photos: int, num_captions: int) -> LSTMState:
        """The states of the first captions of the first photos."""
        rows = (slice(num_photos), slice(num_captions))
        return replace(self, hidden=self.hidden[rows], cell=self.cell[rows])

    def select_photos(self, photos: Tensor) -> LSTMState:
        return replace(self, hidden=self.hidden[photos], cell=self.cell[photos])


class LSTMDecoder(Decoder):
    r"""An LSTM reads the caption so far, looks at the regions, and predicts the next word.

    `looks="before"` is Show, Attend and Tell (Xu et al. 2015, section 3.1.2): the state that has read all but the previous word
    looks, and what it saw enters the LSTM together with that word:
    $h_t = \mathrm{LSTM}(E y_{t-1}, h_{t-1}, \hat z_t)$, $\hat z_t = \beta_t \phi(a, h_{t-1})$.
    `looks="after"` is the spatial attention of Lu et al. 2017, section 2.2: the LSTM reads the previous word and the mean region, then
    its new state looks, and what it saw goes to the output alone. Without this feedback, all words look at once in training.

    The first state is a tanh layer of the mean region, as in the authors' code. `gate` is $\beta_t$ on the context, made from the state
    that looks: one number (the paper, section 4.2.1), a vector (a popular reimplementation), or none. `output="deep"` is the paper's
    equation 7 with the tanh of the authors' code, $\tanh(E y_{t-1} + L_h h_t + L_z \hat z_t)$; `"state"` predicts from $h_t$ alone,
    which needs `looks="before"`, since otherwise nothing seen would reach the words.

    Args:
        attention: how to look; any kind.
        region_size: D, the size of one region's feature.
        vocabulary_size: V.
        hidden_size: H, the size of the LSTM's state and of its memory cell.
        word_size: E, the size of a word's vector.
        dropout: on word vectors and on the output.
        gate: what scales the context.
        looks: which state looks.
        output: what the next word is predicted from.
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
        looks: Literal["before", "after"] = "before",
        output: Literal["deep", "state"] = "deep",
    ):
        super().__init__()
        if looks == "after" and output == "state":
            raise ValueError(
                "output 'state' needs looks 'before', got 'after': what such a state sees would never reach the words; "
                "choose output: deep, or looks: before"
            )
        if looks == "before" and attention.needs_cell:
            raise ValueError(
                "this attention compares regions with what the LSTM has just read, got looks 'before'; choose looks: after, or another kind"
            )
        self.looks, self.output = looks, output
        self.attention = attention
        context_size = attention.context_size
        gate_size = {"none": 0, "scalar": 1, "vector": context_size}[gate]
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.to_hidden = nn.Linear(region_size, hidden_size)
        self.to_cell = nn.Linear(region_size, hidden_size)
        self.from_word = nn.Linear(word_size, 4 * hidden_size)
        self.from_hidden = LoopLinear(hidden_size, 4 * hidden_size, bias=False)
        self.from_photo = LoopLinear(context_size if looks == "before" else region_size, 4 * hidden_size, bias=False)
        self.gate = LoopLinear(hidden_size, gate_size) if gate_size else None
        if output == "deep":
            self.hidden_to_output = nn.Linear(hidden_size, word_size)
            self.context_to_output = nn.Linear(context_size, word_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.to_vocabulary = nn.Linear(word_size if output == "deep" else hidden_size, vocabulary_size)
        self._initialise()

    def _initialise(self) -> None:
        """Small words and logits, so that the first loss is log V; a forget gate that starts open."""
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.to_vocabulary.weight, -0.1, 0.1)
        nn.init.zeros_(self.to_vocabulary.bias)
        with torch.no_grad():
            self.from_word.bias.chunk(4)[1].fill_(1.0)

    def remember(self, regions: Regions) -> Memory:
        return self.attention.remember(regions)

    def start(self, memory: Memory, num_captions: int) -> LSTMState:
        hidden, cell = (
            torch.tanh(layer(memory.mean))[:, None].expand(-1, num_captions, -1).contiguous()
            for layer in (self.to_hidden, self.to_cell)
        )
        return LSTMState(hidden, cell.float() if cell.dtype != torch.float64 else cell, position=0)

    def advance(
        self, words: Tensor, state: LSTMState, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, LSTMState]:
        vectors = self.dropout(self.embedding(words))  # (B, Q, E)
        from_word = self.from_word(vectors)
        if self.looks == "before":
            attended = self._look(state, state, vectors, memory, need_weights)
            state = self._step(from_word + self.from_photo(attended.context), state)
        else:
            previous, state = state, self._step(from_word + self.from_photo(memory.mean)[:, None], state)
            attended = self._look(state, previous, vectors, memory, need_weights)
        return self._predict(vectors, state.hidden, attended.context), attended, state

    def read(self, words: Tensor, memory: Memory, need_weights: bool = True) -> tuple[Tensor, Attended]:
        vectors = self.dropout(self.embedding(words))  # (B, Q, T, E)
        from_word = self.from_word(vectors)
        if self.looks == "after":
            from_word = from_word + self.from_photo(memory.mean)[:, None, None]
        with word_loop():
            hidden, attended = self._read(vectors, from_word, _still_open(words), memory, need_weights)
        return self._predict(vectors, hidden, attended.context), attended

    def _read(
        self,
        vectors: Tensor,
        from_word: Tensor,
        still_open: list[tuple[int, int]],
        memory: Memory,
        need_weights: bool,
    ) -> tuple[Tensor, Attended]:
        """States (B, Q, T, H) and looks; captions that have ended leave the loop."""
        size = (from_word.shape[0], from_word.shape[1])
        state = self.start(memory, size[1])
        states, looks = [], []
        words = zip(vectors.unbind(2), from_word.unbind(2), still_open, strict=True)
        for vector, word, (num_photos, num_captions) in words:
            if num_photos < len(memory.mask):
                memory = memory.select(slice(num_photos))
            previous = state.first(num_photos, num_captions)
            vector, gates = (each[:num_photos, :num_captions] for each in (vector, word))
            if self.looks == "before":
                looks.append(self._look(previous, previous, vector, memory, need_weights))
                gates = gates + self.from_photo(looks[-1].context)
            state = self._step(gates, previous)
            if self.looks == "after":
                looks.append(self._look(state, previous, vector, memory, need_weights))
            states.append(state.hidden)
        return _stack(states, size), _stack_looks(looks, size)

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return self.to_vocabulary(output)

    def _look(
        self, state: LSTMState, previous: LSTMState, vectors: Tensor, memory: Memory, need_weights: bool
    ) -> Attended:
        """What `state` sees; `previous` is the state before the word (B, Q, E) that the LSTM reads at this step."""
        position = torch.full(state.hidden.shape[:2], previous.position, device=state.hidden.device)
        query = Query(state.hidden, position)
        if self.attention.needs_cell:
            mean = memory.mean[:, None].expand(-1, vectors.shape[1], -1)
            read = torch.cat([vectors, mean.to(vectors.dtype)], -1)
            query = replace(query, previous_hidden=previous.hidden, cell=state.cell, cell_input=read)
        attended = self.attention(query, memory, need_weights)
        if self.gate is None:
            return attended
        gate = torch.sigmoid(self.gate(state.hidden))  # (B, Q, 1 or C)
        return replace(attended, context=gate * attended.context, gate=gate.mean(-1))

    def _step(self, gates: Tensor, state: LSTMState) -> LSTMState:
        """Xu et al. 2015, equations 1 to 3; the memory cell stays in float32."""
        enter, forget, expose, candidate = (gates + self.from_hidden(state.hidden)).chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * state.cell + torch.sigmoid(enter) * torch.tanh(candidate)
        hidden = torch.sigmoid(expose) * torch.tanh(cell).to(expose.dtype)
        return LSTMState(hidden, cell, state.position + 1)

    def _predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        if self.output == "state":
            return self.dropout(hidden)
        return self.dropout(torch.tanh(vectors + self.hidden_to_output(hidden) + self.context_to_output(context)))


def _still_open(words: Tensor) -> list[tuple[int, int]]:
    """For each of T words, how many photos and how many captions of a photo must be read, to reach every one that is still open.

    Photos and captions that lie longest first, as batches lay them, leave the loop from the end.
    """
    real = words != PAD  # (B, Q, T)
    numbers = [torch.arange(1, size + 1, device=words.device)[:, None] for size in real.shape[:2]]
    open_ends = [(real.any(1 - side) * numbers[side]).amax(0).flip(0).cummax(0).values.flip(0) for side in (0, 1)]
    return list(zip(*(ends.clamp(min=1).tolist() for ends in open_ends), strict=True))


def _stack(steps: list[Tensor], size: tuple[int, int]) -> Tensor:
    """(B, Q, T, ...) of T steps (at most B, at most Q, ...); zeros where a caption had ended."""
    padded = []
    for step in steps:
        missing = [size[0] - step.shape[0], size[1] - step.shape[1]]
        rest = [0, 0] * (step.dim() - 2)
        padded.append(functional.pad(step, [*rest, 0, missing[1], 0, missing[0]]) if any(missing) else step)
    return torch.stack(padded, 2)


def _stack_looks(looks: list[Attended], size: tuple[int, int]) -> Attended:
    """One record for T words; every field (B, Q, ...) becomes (B, Q, T, ...)."""
    values = {field.name: [getattr(look, field.name) for look in looks] for field in fields(Attended)}
    stacked = {name: None if one[0] is None else _stack(one, size) for name, one in values.items()}
    return Attended(**stacked)  # pyright: ignore[reportArgumentType]
