"""Does the map matter? A decoder whose maps are replaced, for as long as a `with` block lasts.

    with replaced(decoder, uniform):
        ...  # decode, or read known captions

Shapes: B photos, Q captions of one photo, T words, R regions, N heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn

from captioner.attention import Attention, Change, Memory, Query, Replaced
from captioner.decoders import Decoder
from captioner.explain.baseline_maps import other_place
from captioner.model import CaptionModel
from captioner.regions import Regions
from captioner.text.vocabulary import END, PAD


@contextmanager
def replaced(decoder: Decoder, change: Change, maps: Sequence[Tensor] | None = None) -> Iterator[None]:
    """Inside, every look of the decoder sums changed weights; a transformer's in every layer.

    Memories must be made inside too, where `maps` are given: one for each look, from the first layer to the last, for the change `given`.
    """
    numbers = count()
    with _wrapped(decoder, lambda look: Replaced(look, change, maps[next(numbers)] if maps is not None else None)):
        yield


@torch.no_grad()
def maps_of(model: CaptionModel, regions: Regions, words: Tensor) -> list[Tensor]:
    """Every look's maps while it reads captions (B, Q, T + 1): (B, Q, T, R), or (B, Q, T, N, R) where it has heads."""
    recorders: list[_Recorder] = []

    def record(look: Attention) -> Attention:
        recorders.append(_Recorder())
        return Replaced(look, recorders[-1])

    inputs = words[..., :-1]
    inputs = inputs.masked_fill(inputs == PAD, END)  # so that no caption leaves the loop before the others
    with _wrapped(model.decoder, record):
        model.decoder(inputs, model.remember(regions))
    return [recorder.maps(inputs.shape[1], inputs.shape[2]) for recorder in recorders]


def of_other_words(maps: Tensor, words: Tensor) -> Tensor:
    """Maps (B, Q, T, ...), each word of captions (B, Q, T + 1) having another word's, as `other_place` says; end marks keep their own."""
    targets = words[..., 1:]
    lengths = ((targets != PAD) & (targets != END)).sum(-1, keepdim=True)  # (B, Q, 1)
    place = torch.arange(maps.shape[2], device=maps.device)  # (T,)
    other = torch.where(place < lengths, other_place(place, lengths.clamp(min=1)), place)  # (B, Q, T)
    index = other.reshape(*other.shape, *[1] * (maps.dim() - 3)).expand_as(maps)
    return maps.gather(2, index)


class _Recorder:
    """A change that changes nothing, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, weights: Tensor, memory: Memory, query: Query) -> Tensor:
        self.seen.append(weights)
        return weights

    def maps(self, num_captions: int, num_words: int) -> Tensor:
        """Of a look at each word in turn, or at all words of all captions at once."""
        if len(self.seen) == 1:
            return self.seen[0].unflatten(1, (num_captions, num_words))
        return torch.stack(self.seen, 2)


@contextmanager
def _wrapped(decoder: Decoder, wrap: Callable[[Attention], Attention]) -> Iterator[None]:
    replaceable = [_owned(decoder, attention) for attention in decoder.attentions()]
    try:
        for owner, name, attention in replaceable:
            setattr(owner, name, wrap(attention).train(attention.training))
        yield
    finally:
        for owner, name, attention in replaceable:
            setattr(owner, name, attention)


def _owned(decoder: Decoder, attention: Attention) -> tuple[nn.Module, str, Attention]:
    """The attention that computes weights, which may be inside another one, with its owner and its name there."""
    *_, innermost = (module for module in attention.modules() if isinstance(module, Attention))
    owners = (
        (owner, name) for owner in decoder.modules() for name, child in owner.named_children() if child is innermost
    )
    return *next(owners), innermost
