"""Scheduled sampling: in training, the decoder reads some of its own words instead of the reference's.

Shapes: B photos, Q references of one photo, T words, O output.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captioner.attention import Attended, Memory
from captioner.decoders import Decoder
from captioner.layers.linear import word_loop
from captioner.search.sampling import drawn
from captioner.text.vocabulary import PAD, START


def read_scheduled(
    decoder: Decoder, words: Tensor, memory: Memory, share: float, need_weights: bool
) -> tuple[Tensor, Attended]:
    """Like `decoder.forward` of references (B, Q, T), but each word after the first is the reference's with probability `share`, and is
    otherwise drawn from the decoder's own distribution. Gradients do not pass through draws.

    Source: Bengio et al. 2015, section 2.4, with a decision for each word.
    """
    state, current = decoder.start(memory, words.shape[1]), words[..., 0]
    outputs, steps = [], []
    with word_loop():
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


def _draw(decoder: Decoder, output: Tensor) -> Tensor:
    # Not without gradients: autocast keeps the cast of the weights, which the loss then uses.
    logits = decoder.vocabulary_logits(output).detach().float()
    logits[..., [PAD, START]] = -torch.inf
    return drawn(logits.softmax(-1), 1).squeeze(-1)
