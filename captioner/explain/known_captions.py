"""Reading known captions: what a decoder looked at for each of their words, and how likely it found them.

Shapes: B photos, Q captions of one photo, T words, R regions, N heads, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.attention import Attended, Memory
from captioner.data.batches import pad_words
from captioner.decoders import Decoder
from captioner.regions import Placement
from captioner.search import Caption
from captioner.text.vocabulary import PAD, Vocabulary


@dataclass(frozen=True)
class Read:
    """Captions as a decoder read them."""

    words: Tensor  # (B, Q, T) what was to be written, the end mark among it; PAD where there is nothing
    log_probs: Tensor  # (B, Q, T) of these words given those before, natural logarithms; 0 where there is nothing
    attended: Attended  # (B, Q, T, ...)


def read(decoder: Decoder, memory: Memory, words: Tensor) -> Read:
    """Read captions (B, Q, T + 1), from their start marks to their end marks, and PAD behind."""
    inputs, targets = words[..., :-1], words[..., 1:]
    output, attended = decoder(inputs, memory)
    real = targets != PAD
    logits = decoder.vocabulary_logits(output[real])  # (words, V)
    log_probs = logits.float().log_softmax(-1).gather(-1, targets[real][:, None]).squeeze(-1)
    return Read(targets, log_probs.new_zeros(targets.shape).masked_scatter(real, log_probs), attended)


def encode(captions: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary) -> Tensor:
    """(B, Q, T + 1) of one to many captions, given as words, for each photo; a photo may have none."""
    return pad_words([[vocabulary.encode(vocabulary.join(words)) for words in photo] for photo in captions])


@torch.no_grad()
def read_captions(
    decoder: Decoder,
    memory: Memory,
    captions: Sequence[Sequence[Sequence[str]]],
    vocabulary: Vocabulary,
    placements: Sequence[Placement | None],
) -> list[list[Caption]]:
    """Known captions of each photo of a memory, with the maps and log-probabilities of their words."""
    words = encode(captions, vocabulary).to(memory.mask.device)
    found = read(decoder, memory, words)
    maps = found.attended.maps()
    return [
        [
            Caption.of(
                {name: None if values is None else values[photo, number] for name, values in maps.items()},
                caption,
                found.log_probs[photo, number],
                memory=memory,
                photo=photo,
                vocabulary=vocabulary,
                attend=decoder.attend,
                placement=placements[photo],
            )
            for number, caption in enumerate(of_photo)
        ]
        for photo, of_photo in enumerate(captions)
    ]
