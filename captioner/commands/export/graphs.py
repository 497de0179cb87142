"""The two halves of captioning as graphs of tensors: an encoder, which runs once per photo, and a step, which runs once per word.

Shapes: B photos, Q captions of one photo, R regions, V vocabulary, h and w pixels of the network's view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Memory
from captioner.decoders.recurrent import RecurrentState
from captioner.decoders.transformer import TransformerState
from captioner.encoders import Encoder
from captioner.model import CaptionModel
from captioner.regions import centres


class EncoderGraph(nn.Module):
    """Prepared photos (B, 3, h, w) as uint8 to the tensors of the decoder's memory and of its first state (Q = 1)."""

    def __init__(self, model: CaptionModel):
        super().__init__()
        assert isinstance(model.encoder, Encoder)
        self.model = CaptionModel(model.encoder.for_inference(), model.decoder, model.refiner)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        memory = self.model.remember(pixels)
        tensors = memory_tensors(memory) | state_tensors(self.model.decoder.start(memory, 1))
        return tuple(tensor.clone() for tensor in tensors.values())  # none shares its memory with another


class StepGraph(nn.Module):
    """The previous words (B, Q), and the tensors of memory and state: log-probabilities of the next words, maps, and the new state."""

    def __init__(self, model: CaptionModel, memory: Memory, state: Any):
        super().__init__()
        self.decoder, self.layout = model.decoder, model.encoder.layout
        self.has_centres = memory.centres is not None
        self.memory_names, self.is_recurrent = list(memory_tensors(memory)), isinstance(state, RecurrentState)

    def forward(self, words: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        size = len(self.memory_names)
        memory, state = self._memory(dict(zip(self.memory_names, tensors[:size], strict=True))), tensors[size:]
        output, attended, state = self.decoder.step(words, self._state(state), memory)
        log_probs = self.decoder.vocabulary_logits(output).float().log_softmax(-1)  # (B, Q, V)
        return (log_probs, *map_tensors(attended).values(), *state_tensors(state).values())

    def _memory(self, tensors: dict[str, Tensor]) -> Memory:
        """The memory of its tensors. Regions of a grid are all real."""
        mean = tensors["mean_region"]
        mask = torch.ones(mean.shape[0], self.layout.num_regions, dtype=torch.bool, device=mean.device)
        middles = centres(self.layout, mean) if self.has_centres else None
        layers = [
            Memory(keys, tensors[name.replace("keys", "values")], mask, mean, self.layout, middles)
            for name, keys in tensors.items()
            if name.startswith("keys")
        ]
        return replace(layers[0], below=tuple(layers[1:]))

    def _state(self, tensors: Sequence[Tensor]) -> RecurrentState | TransformerState:
        if self.is_recurrent:
            return RecurrentState(tuple(tensors))
        past = tuple(zip(tensors[::2], tensors[1::2], strict=True))
        return TransformerState(past, position=tensors[0].shape[2])


def memory_tensors(memory: Memory) -> dict[str, Tensor]:
    """The tensors of a memory by name; those of a transformer's other layers have a number. No name is that of an operation."""
    named = {"mean_region": memory.mean, "keys": memory.keys, "values": memory.values}
    for number, layer in enumerate(memory.below):
        named |= {f"keys_{number}": layer.keys, f"values_{number}": layer.values}
    return named


def state_tensors(state: Any) -> dict[str, Tensor]:
    """The tensors of a state by name."""
    values = state.values if isinstance(state, RecurrentState) else [each for layer in state.past for each in layer]
    return {f"state_{number}": value for number, value in enumerate(values)}


def map_tensors(attended: Attended) -> dict[str, Tensor]:
    """The maps of a step by name."""
    return {name: values for name, values in attended.maps().items() if values is not None}
