"""Forced decoding: the maps and log-probabilities that a model assigns to given captions.

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
class ForcedDecoding:
    """What a decoder assigns to given captions."""

    words: Tensor  # (B, Q, T) the predicted words, up to and with the end token; then PAD
    log_probs: Tensor  # (B, Q, T) of each word given the words before, natural logarithms; 0 at PAD
    attended: Attended  # (B, Q, T, ...)


def forced_decoding(decoder: Decoder, memory: Memory, words: Tensor) -> ForcedDecoding:
    """Run the decoder on captions (B, Q, T + 1) that begin with the start token, end with the end token and are padded with PAD."""
    inputs, targets = words[..., :-1], words[..., 1:]
    output, attended = decoder(inputs, memory)
    real = targets != PAD
    logits = decoder.vocabulary_logits(output[real])  # (words, V)
    log_probs = logits.float().log_softmax(-1).gather(-1, targets[real][:, None]).squeeze(-1)
    return ForcedDecoding(targets, log_probs.new_zeros(targets.shape).masked_scatter(real, log_probs), attended)


def encode_captions(captions: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary) -> Tensor:
    """(B, Q, T + 1): the captions of each photo, given as words; a photo may have none."""
    return pad_words([[vocabulary.numbers(words) for words in photo] for photo in captions])


@torch.no_grad()
def forced_captions(
    decoder: Decoder,
    memory: Memory,
    captions: Sequence[Sequence[Sequence[str]]],
    vocabulary: Vocabulary,
    placements: Sequence[Placement | None],
) -> list[list[Caption]]:
    """Given captions as the `Caption` records that decoding makes.

    Args:
        decoder: the decoder.
        memory: of the photos, B of them.
        captions: the captions of each photo, given as words.
        vocabulary: the decoder's.
        placements: of each photo.
    """
    words = encode_captions(captions, vocabulary).to(memory.mask.device)
    forced = forced_decoding(decoder, memory, words)
    maps = forced.attended.maps()
    return [
        [
            Caption.of(
                {name: None if values is None else values[photo, number] for name, values in maps.items()},
                caption,
                forced.log_probs[photo, number],
                memory=memory,
                photo=photo,
                vocabulary=vocabulary,
                attend=decoder.attend,
                placement=placements[photo],
            )
            for number, caption in enumerate(photo_captions)
        ]
        for photo, photo_captions in enumerate(captions)
    ]
