"""Several trained models as one: the mean of what each would write.

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
from captioner.encoders import Encoder
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Regions


class Ensemble(nn.Module):
    """Models that share a vocabulary and see photos through the same preprocessing; it stands where one `CaptionModel` would.

    Maps are the mean of the models' where all of them look at the same regions, and the first model's otherwise.

    Raises:
        UserError: the models prepare photos differently.
    """

    def __init__(self, models: Sequence[CaptionModel]):
        super().__init__()
        views = [model.encoder.preprocess for model in models]
        if any(view != views[0] for view in views):
            raise UserError(
                "models that write together should see photos alike, got different preprocessing; "
                "take runs whose encoders have the same input size, fit and normalisation"
            )
        self.models = nn.ModuleList(models)
        shared = all(_same_weights(models[0].encoder, model.encoder) for model in models[1:])
        self.encoder = models[0].encoder if shared else Several(models[0].encoder)
        self.decoder = EnsembleDecoder([model.decoder for model in models])

    @property
    def device(self) -> torch.device:
        return self.decoder.device

    def remember(self, photos: Tensor | Regions) -> Memory:
        first, *others = (model.remember(photos) for model in self.models)  # pyright: ignore[reportCallIssue]
        return first.extended(Memories, others=tuple(others))


class Several(Encoder):
    """Stands for encoders that differ, so that nobody stores the regions of one for all; it sees as the first does."""

    def __init__(self, first: Encoder):
        super().__init__()
        self.first = first
        self.region_size, self.layout, self.preprocess = first.region_size, first.layout, first.preprocess
        self.frozen = False

    def forward(self, pixels: Tensor) -> Regions:
        return self.first(pixels)


@dataclass(frozen=True)
class Memories(Memory):
    """What each model remembers; where one memory is asked for, the first model's."""

    others: tuple[Memory, ...] = ()

    def select(self, photos: Tensor | slice) -> Memories:
        chosen = tuple(memory.select(photos) for memory in self.others)
        return super().select(photos).extended(Memories, others=chosen)


@dataclass(frozen=True)
class EnsembleState:
    """Each model's state."""

    each: tuple[Any, ...]

    def select(self, beams: Tensor) -> EnsembleState:
        return EnsembleState(tuple(state.select(beams) for state in self.each))

    def select_photos(self, photos: Tensor) -> EnsembleState:
        return EnsembleState(tuple(state.select_photos(photos) for state in self.each))


class EnsembleDecoder(Decoder):
    r"""Writes by the mean of the models' probabilities, $\frac1M \sum_m p_m(w)$; its output is the logarithm of that."""

    def __init__(self, decoders: Sequence[Decoder]):
        super().__init__()
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
        return EnsembleState(tuple(decoder.start(each, num_captions) for decoder, each in pairs))  # pyright: ignore

    def step(
        self, words: Tensor, state: EnsembleState, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, EnsembleState]:
        log_probs, looks, states = [], [], []
        for decoder, before, each in zip(self.decoders, state.each, _memories(memory), strict=True):
            output, attended, after = decoder.step(words, before, each, need_weights)  # pyright: ignore
            logits: Tensor = decoder.vocabulary_logits(output)  # pyright: ignore
            log_probs.append(logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1))
            looks.append(attended)
            states.append(after)
        mean = torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))  # (B, Q, V)
        return mean, _mean_look(looks), EnsembleState(tuple(states))

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return output


def _memories(memory: Memory) -> list[Memory]:
    assert isinstance(memory, Memories)
    return [memory, *memory.others]


def _mean_look(looks: Sequence[Attended]) -> Attended:
    if len(looks) == 1:
        return looks[0]
    found: dict[str, Any] = {name: [getattr(look, name) for look in looks] for name in ("weights", "sentinel", "gate")}
    alike = {name: len({None if one is None else one.shape for one in values}) == 1 for name, values in found.items()}
    if not alike["weights"]:
        return looks[0]
    means = {
        name: torch.stack(values).mean(0) if alike[name] and values[0] is not None else None
        for name, values in found.items()
    }
    return Attended(looks[0].context, **means)


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
