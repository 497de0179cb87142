"""Does the map matter? A decoder whose maps are replaced inside a `with` block.

    with replace_maps(decoder, uniform):
        ...  # decode, or run forced decoding

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
from captioner.explain.baseline_maps import other_index
from captioner.model import CaptionModel
from captioner.regions import Regions
from captioner.text.vocabulary import END, PAD


@contextmanager
def replace_maps(decoder: Decoder, change: Change, maps: Sequence[Tensor] | None = None) -> Iterator[None]:
    """Replace the attention weights of a decoder inside the block; of a transformer, in every layer.

    Args:
        decoder: the decoder.
        change: makes the new weights.
        maps: for the change `given`, one tensor for each attention module, first layer to last. Call `remember` inside the block then.
    """
    numbers = count()
    with wrapped(decoder, lambda inner: Replaced(inner, change, maps[next(numbers)] if maps is not None else None)):
        yield


@torch.no_grad()
def record_maps(model: CaptionModel, regions: Regions, words: Tensor) -> list[Tensor]:
    """The maps of each attention module in forced decoding of captions (B, Q, T + 1): (B, Q, T, R), or (B, Q, T, N, R) with heads."""
    recorders: list[_Recorder] = []

    def record(inner: Attention) -> Attention:
        recorders.append(_Recorder())
        return Replaced(inner, recorders[-1])

    inputs = words[..., :-1]
    inputs = inputs.masked_fill(inputs == PAD, END)  # captions of equal length, so that none leaves the loop early
    with wrapped(model.decoder, record):
        model.decoder(inputs, model.remember(regions))
    return [recorder.maps(inputs.shape[1], inputs.shape[2]) for recorder in recorders]


def maps_of_other_words(maps: Tensor, words: Tensor) -> Tensor:
    """Maps (B, Q, T, ...) in which each word of the captions (B, Q, T + 1) has the map of the word at `other_index`.

    The end token keeps its own map.
    """
    targets = words[..., 1:]
    lengths = ((targets != PAD) & (targets != END)).sum(-1, keepdim=True)  # (B, Q, 1)
    index = torch.arange(maps.shape[2], device=maps.device)  # (T,)
    other = torch.where(index < lengths, other_index(index, lengths.clamp(min=1)), index)  # (B, Q, T)
    return maps.gather(2, other.reshape(*other.shape, *[1] * (maps.dim() - 3)).expand_as(maps))


class _Recorder:
    """A change that returns the weights unchanged and keeps a copy."""

    def __init__(self) -> None:
        self.recorded: list[Tensor] = []

    def __call__(self, weights: Tensor, memory: Memory, query: Query) -> Tensor:
        self.recorded.append(weights)
        return weights

    def maps(self, num_captions: int, num_words: int) -> Tensor:
        """(B, Q, T, ...): attention was called once for each word, or once for all words of all captions."""
        if len(self.recorded) == 1:
            return self.recorded[0].unflatten(1, (num_captions, num_words))
        return torch.stack(self.recorded, 2)


@contextmanager
def wrapped(decoder: Decoder, wrap: Callable[[Attention], Attention]) -> Iterator[None]:
    """Put each attention module of a decoder into a wrapper inside the block; of attention on attention, the inner one."""
    modules = [_innermost(decoder, attention) for attention in decoder.attentions()]
    try:
        for parent, name, attention in modules:
            setattr(parent, name, wrap(attention).train(attention.training))
        yield
    finally:
        for parent, name, attention in modules:
            setattr(parent, name, attention)


def _innermost(decoder: Decoder, attention: Attention) -> tuple[nn.Module, str, Attention]:
    """The attention that computes the weights, which may be inside another one, with its parent and its name there."""
    *_, innermost = (module for module in attention.modules() if isinstance(module, Attention))
    parents = (
        (parent, name) for parent in decoder.modules() for name, child in parent.named_children() if child is innermost
    )
    return *next(parents), innermost
