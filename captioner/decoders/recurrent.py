"""What recurrent decoders share: a state, one step, and the loop over known words, which captions leave when they have ended.

Shapes: B photos, Q captions of one photo, T words, H state, E word vector, G all gates together, C context, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.attention import Attended, Attention, Memory
from captioner.decoders.contract import Decoder
from captioner.layers.linear import word_loop
from captioner.regions import Regions
from captioner.text.vocabulary import PAD


@dataclass(frozen=True)
class RecurrentState:
    """What a recurrent decoder carries from one word to the next."""

    values: tuple[Tensor, ...]  # (B, Q, H) each; the first is the state that words are predicted from
    position: int = 0  # index of the word about to be predicted

    @property
    def hidden(self) -> Tensor:
        return self.values[0]

    def select(self, beams: Tensor) -> RecurrentState:
        index = beams[..., None]
        return replace(self, values=tuple(v.gather(1, index.expand(-1, -1, v.shape[-1])) for v in self.values))

    def select_photos(self, photos: Tensor) -> RecurrentState:
        return replace(self, values=tuple(value[photos] for value in self.values))

    def first(self, num_photos: int, num_captions: int) -> RecurrentState:
        """The states of the first captions of the first photos."""
        return replace(self, values=tuple(value[:num_photos, :num_captions] for value in self.values))


class RecurrentDecoder(Decoder):
    """A decoder that reads one word after another.

    A subclass defines the first state (`start`), the part of the cell's gates that does not depend on the state (`gate_inputs`), the
    step of the cell with its attention (`read_word`), and what the next word is predicted from (`predict`).
    """

    attention: Attention
    embedding: nn.Embedding
    from_word: nn.Linear
    dropout: nn.Dropout
    to_vocabulary: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        self.mean_dropout: MeanDropout | None = None

    def gate_inputs(self, vectors: Tensor, memory: Memory) -> Tensor:
        """The share (..., G) of the cell's gates that words (B, Q, E) or (B, Q, T, E) and the photo have; computed before the loop."""
        from_word = self.from_word(vectors)
        gates = self.photo_gates(memory.mean) if memory.gates is None else memory.gates  # an export keeps none
        return from_word if gates is None else from_word + for_words(gates, from_word)

    def photo_gates(self, mean: Tensor) -> Tensor | None:
        """The share (B, G) of the cell's gates that the mean region (B, D) has at every word; None if it has none."""
        return None

    def read_word(
        self, vectors: Tensor, gate_inputs: Tensor, state: RecurrentState, memory: Memory, need_weights: bool
    ) -> tuple[Attended, RecurrentState]:
        """Read one word (B, Q, E) and attend: attended, and the new state."""
        raise NotImplementedError

    def predict(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        """Outputs (..., O) of words (..., E), the states that have read them (..., H), and contexts (..., C)."""
        raise NotImplementedError

    def remember(self, regions: Regions) -> Memory:
        memory = self.attention.remember(regions)
        if self.mean_dropout is not None:
            memory = replace(memory, mean=self.mean_dropout(memory.mean))
        return replace(memory, gates=self.photo_gates(memory.mean))

    def attentions(self) -> list[Attention]:
        return [self.attention]

    def step(
        self, words: Tensor, state: RecurrentState, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, RecurrentState]:
        vectors = self.dropout(self.embedding(words))  # (B, Q, E)
        attended, state = self.read_word(vectors, self.gate_inputs(vectors, memory), state, memory, need_weights)
        return self.predict(vectors, state.hidden, attended.context), attended, state

    def forward(self, words: Tensor, memory: Memory, need_weights: bool = True) -> tuple[Tensor, Attended]:
        vectors = self.dropout(self.embedding(words))  # (B, Q, T, E)
        gate_inputs = self.gate_inputs(vectors, memory)
        with word_loop():
            hidden, attended = self._loop(vectors, gate_inputs, _still_open(words), memory, need_weights)
        return self.predict(vectors, hidden, attended.context), attended

    def _loop(
        self,
        vectors: Tensor,
        gate_inputs: Tensor,
        still_open: list[tuple[int, int]],
        memory: Memory,
        need_weights: bool,
    ) -> tuple[Tensor, Attended]:
        """States (B, Q, T, H) and attended; captions that have ended leave the loop."""
        size = (gate_inputs.shape[0], gate_inputs.shape[1])
        state: RecurrentState = self.start(memory, size[1])
        hidden, steps = [], []
        words = zip(vectors.unbind(2), gate_inputs.unbind(2), still_open, strict=True)
        for vector, inputs, (num_photos, num_captions) in words:
            if num_photos < len(memory.mask):
                memory = memory.select(slice(num_photos))
            vector, inputs = vector[:num_photos, :num_captions], inputs[:num_photos, :num_captions]
            attended, state = self.read_word(
                vector, inputs, state.first(num_photos, num_captions), memory, need_weights
            )
            hidden.append(state.hidden)
            steps.append(attended)
        return _stack(hidden, size), Attended.stack(steps, partial(_stack, size=size))

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return self.to_vocabulary(output)

    def _initialise(self) -> None:
        """Small word vectors and logits, so that the first loss is log V."""
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.to_vocabulary.weight, -0.1, 0.1)
        nn.init.zeros_(self.to_vocabulary.bias)


class MeanDropout(nn.Module):
    """A learned vector in place of the mean region, for a fraction of the photos in training, or for every photo.

    A decoder that reads the mean region can name what is in a photo without attending to it. What attention gives is not changed.

    Args:
        region_size: size of one region's feature (D).
        fraction: of the photos of a batch; with 1, also outside training.
    """

    def __init__(self, region_size: int, fraction: float):
        super().__init__()
        self.fraction = fraction
        self.learned = nn.Parameter(torch.zeros(region_size))

    @classmethod
    def of(cls, region_size: int, fraction: float) -> MeanDropout | None:
        return cls(region_size, fraction) if fraction else None

    def forward(self, mean: Tensor) -> Tensor:
        """Mean regions (B, D), some of them replaced."""
        learned = self.learned.to(mean.dtype)
        if self.fraction == 1:
            return learned.expand_as(mean)
        if self.training:
            replaced = torch.rand(len(mean), 1, device=mean.device) < self.fraction
        elif torch.is_grad_enabled():
            # Self-critical training, which has no dropout: `learned` gets a gradient of zero, since all processes wait for one.
            replaced = torch.zeros(len(mean), 1, dtype=torch.bool, device=mean.device)
        else:
            return mean
        return torch.where(replaced, learned, mean)


def for_captions(value: Tensor, num_captions: int) -> Tensor:
    """Copies (B, Q, *) of a value (B, *) of each photo."""
    return value[:, None].expand(-1, num_captions, -1).contiguous()


def in_float32(cell: Tensor) -> Tensor:
    """A memory cell in at least float32."""
    return cell.to(torch.promote_types(cell.dtype, torch.float32))


def for_words(value: Tensor, vectors: Tensor) -> Tensor:
    """A view of a value (B, *) of each photo that broadcasts over its words (B, Q, *) or (B, Q, T, *)."""
    return value[(slice(None), *[None] * (vectors.dim() - 2))]


def _still_open(words: Tensor) -> list[tuple[int, int]]:
    """For each of T words: how many photos, and captions of a photo, include every caption that has not ended.

    Batches hold the longest first, so that photos and captions leave the loop from the end.
    """
    real = words != PAD  # (B, Q, T)
    numbers = [torch.arange(1, size + 1, device=words.device)[:, None] for size in real.shape[:2]]
    counts = [(real.any(1 - dim) * numbers[dim]).amax(0).flip(0).cummax(0).values.flip(0) for dim in (0, 1)]
    return list(zip(*(count.clamp(min=1).tolist() for count in counts), strict=True))


def _stack(steps: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Stack T steps (at most B, at most Q, ...) to (B, Q, T, ...), with zeros where a caption had ended."""
    padded = []
    for step in steps:
        missing = [size[0] - step.shape[0], size[1] - step.shape[1]]
        rest = [0, 0] * (step.dim() - 2)
        padded.append(functional.pad(step, [*rest, 0, missing[1], 0, missing[0]]) if any(missing) else step)
    return torch.stack(padded, 2)
