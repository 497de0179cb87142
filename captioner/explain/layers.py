"""The attention of every layer of a decoder; a caption carries the last layer's alone.

Shapes: n captions, T words, R regions, N heads.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from captioner.attention import Attended
from captioner.model import CaptionModel
from captioner.regions import Regions


@torch.no_grad()
def layer_maps(model: CaptionModel, regions: Regions, words: Tensor) -> list[tuple[Tensor, Tensor | None]]:
    """Weights (n, T, R) and those of the heads (n, T, N, R), or None, of each layer, first to last, as each of the words (n, T) is read,
    one caption for each photo. Those of a recurrent decoder have T = 1, once for each word.

    The weights at word t belong to word t + 1, which the decoder is about to write.
    """
    maps: list[tuple[Tensor, Tensor | None]] = []

    def ask(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        query, memory, *_ = arguments
        return query, memory, True

    def keep(_: Any, __: tuple[Any, ...], attended: Attended) -> None:
        if attended.weights is not None:
            maps.append((attended.weights, attended.head_weights))

    with ExitStack() as hooks:
        for attention in model.decoder.attentions():
            hooks.enter_context(attention.register_forward_pre_hook(ask))
            hooks.enter_context(attention.register_forward_hook(keep))
        model.decoder(words[:, None], model.remember(regions))
    return maps
