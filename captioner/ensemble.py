"""Several trained models that decode as one, by the mean of their probabilities.

Shapes: B photos, Q captions of one photo, K beams, R regions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory
from captioner.decoders import Decoder
from captioner.encoders import Vision
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Boxes, Regions


class Ensemble(nn.Module):
    """Models with the same vocabulary and preprocessing; used in place of one `CaptionModel`.

    Maps are the mean over the models if all have the same regions, and the first model's otherwise.

    Raises:
        UserError: the models preprocess photos differently.
    """

    def __init__(self, models: Sequence[CaptionModel]):
        super().__init__()
        views = [model.encoder.preprocess for model in models]
        if any(view != views[0] for view in views):
            raise UserError(
                "models of an ensemble should preprocess photos alike, got different preprocessing or region files; take runs "
                "whose encoders have the same input size, fit and normalisation, or read the same region files in the same way"
            )
        self.models = nn.ModuleList(models)
        shared = all(same_encoder(models[0].encoder, model.encoder) for model in models[1:])
        alike = shared or _same_grid([model.encoder for model in models])
        self.encoder = models[0].encoder if shared else DifferingEncoders(models[0].encoder)
        if shared:
            for model in models:
                model.encoder = self.encoder  # one in memory
        self.shared = shared
        self.decoder = EnsembleDecoder([model.decoder for model in models], mean_maps=alike)

    @property
    def device(self) -> torch.device:
        return self.decoder.device

    def regions(self, photos: Tensor | Regions) -> Regions:
        """Regions as the first model computes them."""
        return self.models[0].regions(photos)  # pyright: ignore[reportCallIssue]

    def remember(self, photos: Tensor | Regions) -> Memory:
        if self.shared:
            photos = self.regions(photos)  # once, for all
        first, *others = (model.remember(photos) for model in self.models)  # pyright: ignore[reportCallIssue]
        return first.extended(EnsembleMemory, others=tuple(others))


class DifferingEncoders(Vision):
    """Encoders that differ. No regions are stored for them, since each would need its own; sizes are those of the first."""

    def __init__(self, first: Vision):
        super().__init__()
        self.region_size, self.layout, self.preprocess = first.region_size, first.layout, first.preprocess
        self.frozen = False


@dataclass(frozen=True)
class EnsembleMemory(Memory):
    """The memories of all models; its own fields are the first model's."""

    others: tuple[Memory, ...] = ()

    def select(self, photos: Tensor | slice) -> EnsembleMemory:
        chosen = tuple(memory.select(photos) for memory in self.others)
        return super().select(photos).extended(EnsembleMemory, others=chosen)


@dataclass(frozen=True)
class EnsembleState:
    """The states of all models."""

    states: tuple[Any, ...]

    def select(self, beams: Tensor) -> EnsembleState:
        return EnsembleState(tuple(state.select(beams) for state in self.states))

    def select_photos(self, photos: Tensor) -> EnsembleState:
        return EnsembleState(tuple(state.select_photos(photos) for state in self.states))


class EnsembleDecoder(Decoder):
    r"""Writes with the mean of the models' probabilities, $\frac1M \sum_m p_m(w)$; its output is the mean's logarithm.

    Args:
        decoders: of the models.
        mean_maps: whether maps are the mean over the models; otherwise they are the first model's.
    """

    def __init__(self, decoders: Sequence[Decoder], mean_maps: bool = True):
        super().__init__()
        self.mean_maps = mean_maps
        self.decoders = nn.ModuleList(decoders)
        self.attend = decoders[0].attend

    @property
    def device(self) -> torch.device:
        return next(self.decoders.parameters()).device

    def attentions(self) -> list[Attention]:
        """Those of every model, in turn."""
        return [attention for decoder in self.decoders for attention in decoder.attentions()]  # pyright: ignore

    def start(self, memory: Memory, num_captions: int) -> EnsembleState:
        pairs = zip(self.decoders, _memories(memory), strict=True)
        return EnsembleState(tuple(decoder.start(own, num_captions) for decoder, own in pairs))  # pyright: ignore

    def step(
        self, words: Tensor, state: EnsembleState, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, EnsembleState]:
        log_probs, all_attended, states = [], [], []
        for decoder, old_state, own in zip(self.decoders, state.states, _memories(memory), strict=True):
            output, attended, new_state = decoder.step(words, old_state, own, need_weights)  # pyright: ignore
            logits: Tensor = decoder.vocabulary_logits(output)  # pyright: ignore
            log_probs.append(logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1))
            all_attended.append(attended)
            states.append(new_state)
        mean = torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))  # (B, Q, V)
        attended = _mean_maps(all_attended) if self.mean_maps else all_attended[0]
        return mean, attended, EnsembleState(tuple(states))

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return output


def _memories(memory: Memory) -> list[Memory]:
    assert isinstance(memory, EnsembleMemory)
    return [memory, *memory.others]


def _mean_maps(attended: Sequence[Attended]) -> Attended:
    """The mean over models of every map that all have in the same shape; the first model's record if weights differ in shape."""
    if len(attended) == 1:
        return attended[0]
    means: dict[str, Tensor | None] = {}
    for name in ("weights", "sentinel", "gate"):
        values = [getattr(record, name) for record in attended]
        same_shape = len({None if value is None else value.shape for value in values}) == 1
        if name == "weights" and not same_shape:
            return attended[0]
        means[name] = torch.stack(values).mean(0) if same_shape and values[0] is not None else None
    return Attended(attended[0].context, **means)


def _same_grid(encoders: Sequence[nn.Module]) -> bool:
    """Whether region r is the same part of the photo for all; not for boxes, which every detector finds anew."""
    layouts = [encoder.layout for encoder in encoders]
    return not any(isinstance(layout, Boxes) for layout in layouts) and all(one == layouts[0] for one in layouts)


def same_encoder(first: nn.Module, second: nn.Module) -> bool:
    """Whether two encoders of the same preprocessing make the same regions: their options and weights are the same."""
    return same_options(first, second) and same_weights(first, second)


def same_options(first: nn.Module, second: nn.Module) -> bool:
    """Whether two encoders have the same options on which regions depend besides the weights, such as `align`."""
    ours, theirs = (encoder.choices() if isinstance(encoder, Vision) else {} for encoder in (first, second))
    return type(first) is type(second) and ours == theirs


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    """Whether two modules have the same parameters and buffers, by name and value."""
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
