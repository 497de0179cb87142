"""Beam search and greedy decoding, batched over photos.

Shapes: B photos, n photos still in the batch, K beams, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from captioner.attention import Memory
from captioner.decoders import Decoder
from captioner.ranges import Size
from captioner.search.rules import LENGTH_RULES
from captioner.search.tape import Tape, Trace
from captioner.vocabulary import END, PAD, START, UNK


@dataclass(frozen=True)
class BeamSearch:
    """Keeps the K best beginnings of a caption at every word.

    Never empty: the end mark is not allowed as the first word. Never cut short without saying so: after `max_length` words the only
    word allowed is the end mark, with the probability that the decoder gives it, and the caption says that it was not `ended`.
    A beam that has ended keeps its place and its score. All beams of all photos are one batch; a photo leaves it when all its beams
    have ended. A beam as wide as the tree finds the most probable caption.

    Args:
        beams: K; 1 is greedy decoding.
        max_length: the most words in a caption, the end mark not counted.
        length_rule: how captions of different lengths are ranked.
        unknown: whether `<unk>` may be written.
    """

    beams: Size = 3
    max_length: Size = 20
    length_rule: Literal["none", "mean", "gnmt"] = "none"
    unknown: Literal["forbid", "allow"] = "forbid"

    @torch.no_grad()
    def __call__(self, decoder: Decoder, memory: Memory) -> list[Trace]:
        """One caption for each photo that `memory` remembers."""
        num_photos, device = len(memory.mask), memory.mask.device
        tape = Tape(num_photos)
        scores = torch.zeros(num_photos, 1, device=device)  # (B, K) log-probabilities; one beam until the first word
        ranks, ended = scores, torch.zeros(num_photos, 1, dtype=torch.bool, device=device)
        active = torch.arange(num_photos, device=device)
        words, state = torch.full((num_photos, 1), START, device=device), decoder.start(memory, 1)
        for position in range(self.max_length + 1):
            output, attended, state = decoder.advance(words, state, memory)
            log_probs = self._log_probs(decoder.vocabulary_logits(output), ended[active], position)  # (n, K, V)
            chosen = self._choose(log_probs, scores[active], ranks[active], ended[active], position)
            words, parents, word_log_probs, new_scores, new_ranks = chosen
            tape.record(active, words, word_log_probs, parents, attended)
            new_ended = (words == END) | (words == PAD) | new_scores.isinf()
            if position == 0:
                scores, ranks, ended = new_scores, new_ranks, new_ended
            else:
                scores[active], ranks[active], ended[active] = new_scores, new_ranks, new_ended
            state = state.select(parents)
            staying = (~ended[active].all(1)).nonzero().squeeze(1)
            if len(staying) == 0:
                break
            if len(staying) < len(active):
                active, words = active[staying], words[staying]
                memory, state = memory.select(staying), state.select_photos(staying)
        return tape.traces(ranks.sort(dim=1, descending=True, stable=True).indices, scores, self.max_length)

    def _log_probs(self, logits: Tensor, ended: Tensor, position: int) -> Tensor:
        """Of every word that may come next; an ended beam may only stay where it is."""
        log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        if position == self.max_length:
            only_end = torch.full_like(log_probs, -torch.inf)
            only_end[..., END] = log_probs[..., END]
            log_probs = only_end
        else:
            forbidden = [PAD, START] + [UNK] * (self.unknown == "forbid") + [END] * (position == 0)
            log_probs[..., forbidden] = -torch.inf
        log_probs.masked_fill_(ended[..., None], -torch.inf)
        log_probs[..., PAD].masked_fill_(ended, 0.0)
        return log_probs

    def _choose(
        self, log_probs: Tensor, scores: Tensor, ranks: Tensor, ended: Tensor, position: int
    ) -> tuple[Tensor, ...]:
        """The K best continuations: words, parents, the words' log-probabilities, scores and ranks, (n, K) each."""
        totals = scores[..., None] + log_probs  # (n, K, V)
        ranked = LENGTH_RULES[self.length_rule](totals, position + 1)
        if self.length_rule != "none":  # a caption that has ended keeps the rank of its own length
            ranked = torch.where(ended[..., None], ranks[..., None] + log_probs, ranked)
        new_ranks, best = _padded(ranked.flatten(1), self.beams).topk(self.beams)
        best = best.clamp(max=ranked[0].numel() - 1)
        parents, words = best // log_probs.shape[-1], best % log_probs.shape[-1]
        scores = totals.flatten(1).gather(1, best).masked_fill(new_ranks.isinf(), -torch.inf)
        return words, parents, log_probs.flatten(1).gather(1, best), scores, new_ranks


def _padded(ranks: Tensor, width: int) -> Tensor:
    """Ranks (n, *) with columns of minus infinity where there are fewer than `width`."""
    return torch.nn.functional.pad(ranks, (0, max(0, width - ranks.shape[1])), value=-torch.inf)


@dataclass(frozen=True)
class Greedy:
    """Takes the most probable word at every step: a beam of one.

    Args:
        max_length: the most words in a caption, the end mark not counted.
        unknown: whether `<unk>` may be written.
    """

    max_length: Size = 20
    unknown: Literal["forbid", "allow"] = "forbid"

    def __call__(self, decoder: Decoder, memory: Memory) -> list[Trace]:
        return BeamSearch(1, self.max_length, "none", self.unknown)(decoder, memory)
