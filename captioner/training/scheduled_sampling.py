"""Scheduled sampling: a decoder in training reads some of its own words instead of the reference's.

Shapes: B photos, Q references of one photo, T words, O output.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from captioner.attention import Attended, Memory
from captioner.decoders import Decoder
from captioner.text.vocabulary import PAD, START

DECAYS: dict[str, Callable[[int, int], float]] = {
    "linear": lambda step, steps: max(0.0, 1 - step / steps),
    "exponential": lambda step, steps: math.exp(-step / steps),
    "inverse_sigmoid": lambda step, steps: steps / (steps + math.exp(min(step / steps, 700.0))),
}
"""Probability of the reference word after a number of steps, by the name of the decay."""


def reference_share(decay: str, step: int, steps: int) -> float:
    r"""The probability, 0 to 1, that a word read is the reference's, after i steps: $1 - i / k$, $e^{-i / k}$ or $k / (k + e^{i / k})$.

    Source: Bengio et al. 2015, section 2.4. Differs: their slope and base are given by k, the steps it takes: linear decay ends there,
    exponential decay has come to 1/e.
    """
    return DECAYS[decay](step, steps)


def read_scheduled(
    decoder: Decoder, words: Tensor, memory: Memory, share: float, need_weights: bool
) -> tuple[Tensor, Attended]:
    """As `decoder.read` of references (B, Q, T), but every word after the first is read with probability `share`, and otherwise one drawn
    from what the decoder would have written in its place. Gradients do not pass through draws.

    Source: Bengio et al. 2015, section 2.4, where chance decides for every word.
    """
    state, read = decoder.start(memory, words.shape[1]), words[..., 0]
    outputs, looks = [], []
    for place in range(words.shape[2]):
        output, attended, state = decoder.step(read, state, memory, need_weights)
        outputs.append(output)
        looks.append(attended)
        if place + 1 < words.shape[2]:
            read = torch.where(
                _is_reference(words[..., place + 1], share), words[..., place + 1], _drawn(decoder, output)
            )
    return torch.stack(outputs, 2), Attended.stack(looks)


def _is_reference(words: Tensor, share: float) -> Tensor:
    """Padding is always read as it is."""
    return (torch.rand(words.shape, device=words.device) < share) | (words == PAD)


@torch.no_grad()
def _drawn(decoder: Decoder, output: Tensor) -> Tensor:
    logits = decoder.vocabulary_logits(output).float()
    logits[..., [PAD, START]] = -torch.inf
    return torch.multinomial(logits.softmax(-1).flatten(0, 1), 1).view(logits.shape[:2])
