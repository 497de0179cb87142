"""Scheduled sampling: in training, the decoder reads some of its own words instead of the reference's.

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
    r"""The probability, 0 to 1, of reading the reference's word after i steps: $1 - i / k$, $e^{-i / k}$ or $k / (k + e^{i / k})$.

    Source: Bengio et al. 2015, section 2.4. Differs: slope and base follow from k, a number of steps: linear decay ends at k, and
    exponential decay is 1/e at k.
    """
    return DECAYS[decay](step, steps)


def read_scheduled(
    decoder: Decoder, words: Tensor, memory: Memory, share: float, need_weights: bool
) -> tuple[Tensor, Attended]:
    """Like `decoder.forward` of references (B, Q, T), but each word after the first is the reference's with probability `share`, and is
    otherwise drawn from the decoder's own distribution. Gradients do not pass through draws.

    Source: Bengio et al. 2015, section 2.4, with a decision for each word.
    """
    state, current = decoder.start(memory, words.shape[1]), words[..., 0]
    outputs, steps = [], []
    for index in range(words.shape[2]):
        output, attended, state = decoder.step(current, state, memory, need_weights)
        outputs.append(output)
        steps.append(attended)
        if index + 1 < words.shape[2]:
            reference = words[..., index + 1]
            current = torch.where(_is_reference(reference, share), reference, _draw(decoder, output))
    return torch.stack(outputs, 2), Attended.stack(steps)


def _is_reference(words: Tensor, share: float) -> Tensor:
    """Which words are read from the reference: a random share, and all padding."""
    return (torch.rand(words.shape, device=words.device) < share) | (words == PAD)


@torch.no_grad()
def _draw(decoder: Decoder, output: Tensor) -> Tensor:
    logits = decoder.vocabulary_logits(output).float()
    logits[..., [PAD, START]] = -torch.inf
    return torch.multinomial(logits.softmax(-1).flatten(0, 1), 1).view(logits.shape[:2])
