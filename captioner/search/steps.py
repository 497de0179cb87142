"""One way to write captions word by word; ways of decoding differ in how they choose.

Shapes: B photos, n photos still in the batch, K captions side by side, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from captioner.attention import Memory
from captioner.decoders import Decoder
from captioner.search.hypotheses import Tape, Trace
from captioner.search.limits import Limits
from captioner.text.vocabulary import END, PAD, START


class Standing(NamedTuple):
    """How the captions of each photo stand."""

    scores: Tensor  # (n, K) log-probabilities; minus infinity for a place that holds no caption
    ranks: Tensor  # (n, K) what captions are ordered by
    ended: Tensor  # (n, K)
    length: int  # words so far of those that have not ended


class Chosen(NamedTuple):
    """Continuations, (n, K) each."""

    words: Tensor
    parents: Tensor  # the place of the caption that each continues
    log_probs: Tensor  # of the words
    scores: Tensor
    ranks: Tensor


class Search(Protocol):
    """A way of decoding: what a caption may be, and how the next words are chosen."""

    @property
    def limits(self) -> Limits: ...

    def choose(self, log_probs: Tensor, standing: Standing) -> Chosen:
        """From log-probabilities (n, K, V) of the next words; at the first word K is 1, whatever comes after."""
        ...


def write(search: Search, decoder: Decoder, memory: Memory, most: int) -> list[list[Trace]]:
    """The best `most` captions, or as many as there are, for each photo that `memory` remembers, best first, with their maps."""
    tape, scores, ranks = _follow(search, decoder, memory, need_weights=True)
    order = ranks.sort(dim=1, descending=True, stable=True).indices
    return tape.traces(order, scores, search.limits.max_length, most)


def draw(search: Search, decoder: Decoder, memory: Memory) -> Tensor:
    """All captions (B, K, T) of each photo as numbers, with their end marks where they ended, PAD behind: without maps, for training."""
    tape, scores, _ = _follow(search, decoder, memory, need_weights=False)
    words, _, _ = tape.walk_back(torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1))
    return words[..., : search.limits.max_length]  # the end mark that follows the longest is no choice


@torch.no_grad()
def _follow(search: Search, decoder: Decoder, memory: Memory, need_weights: bool) -> tuple[Tape, Tensor, Tensor]:
    """A search from its first word to its last: what every step saw and chose, and scores and ranks (B, K) of the captions.

    All captions of all photos are one batch; a photo leaves it when all its captions have ended. A caption that has ended keeps its
    place and its score.
    """
    num_photos, device = len(memory.mask), memory.mask.device
    tape = Tape(num_photos)
    scores = torch.zeros(num_photos, 1, device=device)
    ranks, ended = scores, torch.zeros(num_photos, 1, dtype=torch.bool, device=device)
    active = torch.arange(num_photos, device=device)
    words, state = torch.full((num_photos, 1), START, device=device), decoder.start(memory, 1)
    so_far = words[..., :0, None].reshape(num_photos, 1, 0)
    for length in range(search.limits.max_length + 1):
        output, attended, state = decoder.step(words, state, memory, need_weights)
        log_probs = search.limits.next_words(decoder.vocabulary_logits(output), so_far, ended[active])
        chosen = search.choose(log_probs, Standing(scores[active], ranks[active], ended[active], length))
        words, parents = chosen.words, chosen.parents
        tape.record(active, words, chosen.log_probs, parents, attended)
        new_ended = (words == END) | (words == PAD) | chosen.scores.isinf()
        if length == 0:
            scores, ranks, ended = chosen.scores, chosen.ranks, new_ended
        else:
            scores[active], ranks[active], ended[active] = chosen.scores, chosen.ranks, new_ended
        state = state.select(parents)
        so_far = torch.cat([so_far.gather(1, parents[..., None].expand(-1, -1, length)), words[..., None]], -1)
        staying = (~ended[active].all(1)).nonzero().squeeze(1)
        if len(staying) == 0:
            break
        if len(staying) < len(active):
            active, words, so_far = active[staying], words[staying], so_far[staying]
            memory, state = memory.select(staying), state.select_photos(staying)
    return tape, scores, ranks
