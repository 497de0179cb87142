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
from captioner.search.result import real_regions
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
    return [
        [
            _caption(found, memory, (photo, number), list(caption), vocabulary, decoder, placements[photo])
            for number, caption in enumerate(of_photo)
        ]
        for photo, of_photo in enumerate(captions)
    ]


def _caption(
    found: Read,
    memory: Memory,
    where: tuple[int, int],
    words: list[str],
    vocabulary: Vocabulary,
    decoder: Decoder,
    placement: Placement | None,
) -> Caption:
    """One caption of one photo, in the record that decoding makes."""
    length = len(words)
    log_probs = found.log_probs[where].float().cpu()
    seen = {name: getattr(found.attended, name) for name in ("weights", "head_weights", "sentinel", "gate")}
    seen = {name: None if value is None else value[where][:length].float().cpu() for name, value in seen.items()}
    layout, seen = real_regions(memory.layout.of_photo(where[0]), seen, memory.mask[where[0]].cpu())
    return Caption(
        text=vocabulary.join(words),
        words=words,
        word_log_probs=log_probs[:length],
        end_log_prob=float(log_probs[length]),
        ended=True,
        attend=decoder.attend,
        layout=layout,
        placement=placement,
        **seen,  # pyright: ignore[reportArgumentType]
    )
