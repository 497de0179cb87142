"""The loop over words that every search runs; searches differ in how they choose.

Shapes: B photos, n photos still in the batch, K captions side by side, V vocabulary.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from captioner.attention import Attended, Memory
from captioner.decoders import Decoder
from captioner.errors import UserError
from captioner.layers.linear import word_loop
from captioner.search.hypotheses import Hypothesis, SearchHistory
from captioner.search.limits import Limits
from captioner.text.vocabulary import END, PAD, START

_COPIES = 3  # of the log-probabilities, while the next words are chosen
_ALWAYS_FREE = 2**28  # bytes


class BeamState(NamedTuple):
    """The captions of each photo so far."""

    scores: Tensor  # (n, K) log-probabilities; minus infinity for a slot without a caption
    ranks: Tensor  # (n, K) what captions are ordered by
    ended: Tensor  # (n, K)
    length: int  # words of captions that have not ended


class Continuations(NamedTuple):
    """The chosen next words, (n, K) each."""

    words: Tensor
    parents: Tensor  # index of the caption that each one continues
    log_probs: Tensor  # of the words
    scores: Tensor
    ranks: Tensor


class Search(Protocol):
    """A way of decoding: the limits on captions, and how the next words are chosen."""

    independent: ClassVar[bool] = False
    """Whether every caption goes on by itself; see `Limits.next_words`."""

    @property
    def limits(self) -> Limits: ...

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        """Choose from log-probabilities (n, K, V) of the next words. At the first word K is 1."""
        ...

    def __call__(self, decoder: Decoder, memory: Memory, max_captions: int = 1) -> list[list[Hypothesis]]:
        """The captions of each photo, at most `max_captions`, best first."""
        return write(self, decoder, memory, max_captions)

    def rank(self, history: SearchHistory, scores: Tensor, ranks: Tensor) -> Tensor:
        """What the whole captions are ordered by, given their log-probabilities and their ranks at the last word; (B, K) each."""
        return ranks


def write(search: Search, decoder: Decoder, memory: Memory, max_captions: int) -> list[list[Hypothesis]]:
    """The best captions of each photo in `memory`, at most `max_captions`, best first, with their maps."""
    history, scores, ranks = _run(search, decoder, memory, need_weights=True)
    order = search.rank(history, scores, ranks).sort(dim=1, descending=True, stable=True).indices
    return history.hypotheses(order, scores, search.limits.max_length, max_captions)


def draw(search: Search, decoder: Decoder, memory: Memory) -> Tensor:
    """All captions (B, K, T) of each photo as word indices without maps, for training; the end token, then PAD, where they ended."""
    history, scores, _ = _run(search, decoder, memory, need_weights=False)
    words, _, _ = history.follow_back(torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1))
    return words[..., : search.limits.max_length]  # the end token after the longest caption was not chosen


@torch.no_grad()
@word_loop()
def _run(search: Search, decoder: Decoder, memory: Memory, need_weights: bool) -> tuple[SearchHistory, Tensor, Tensor]:
    """Run a search from its first word to its last: its history, and scores and ranks (B, K) of the captions.

    All captions of all photos are one batch. A photo leaves it when all its captions have ended; a caption that has ended keeps its
    slot and its score.
    """
    num_photos, device = len(memory.mask), memory.mask.device
    history = SearchHistory(num_photos)
    scores = torch.zeros(num_photos, 1, device=device)
    ranks, ended = scores, torch.zeros(num_photos, 1, dtype=torch.bool, device=device)
    active = torch.arange(num_photos, device=device)
    words, state = torch.full((num_photos, 1), START, device=device), decoder.start(memory, 1)
    so_far = words[..., :0, None].reshape(num_photos, 1, 0)
    for length in range(search.limits.max_length + 1):
        output, attended, state = decoder.step(words, state, memory, need_weights)
        dead = scores[active].isinf()
        log_probs = search.limits.next_words(
            decoder.vocabulary_logits(output), so_far, ended[active], dead, search.independent
        )
        broken = log_probs.amax().isnan()
        chosen = search.choose(log_probs, BeamState(scores[active], ranks[active], ended[active], length))
        if not isinstance(chosen, Continuations):
            raise UserError(
                f"{type(search).__name__}.choose should return Continuations, got {type(chosen).__name__}; change it"
            )
        words, parents = chosen.words, chosen.parents
        if length == 0:
            _check_memory(words, log_probs.shape[-1], _map_numbers(attended) * (search.limits.max_length + 1))
        history.record(active, words, chosen.log_probs, parents, attended)
        new_ended = (words == END) | (words == PAD) | chosen.scores.isinf()
        if length == 0:
            scores, ranks, ended = chosen.scores, chosen.ranks, new_ended
        else:
            scores[active], ranks[active], ended[active] = chosen.scores, chosen.ranks, new_ended
        state = state.select(parents)
        so_far = torch.cat([so_far.gather(1, parents[..., None].expand(-1, -1, length)), words[..., None]], -1)
        # One copy from the device for both questions: the only wait for a GPU at this word.
        *going_on, is_broken = torch.cat([~ended[active].all(1), broken[None]]).tolist()
        if is_broken:
            raise UserError(
                "the model's probabilities are not numbers: its training has diverged, or a photo's pixels or regions are damaged; "
                "train with a lower optimiser.learning_rate, or check the data with `captioner doctor`"
            )
        if not any(going_on):
            break
        if not all(going_on):
            staying = torch.tensor([row for row, goes_on in enumerate(going_on) if goes_on], device=device)
            active, words, so_far = active[staying], words[staying], so_far[staying]
            memory, state = memory.select(staying), state.select_photos(staying)
    return history, scores, ranks


def _map_numbers(attended: Attended) -> int:
    """How many numbers the maps of one word have."""
    return sum(values[0, 0].numel() for values in attended.maps().values() if values is not None)


def _check_memory(words: Tensor, vocabulary_size: int, map_numbers: int) -> None:
    """Refuse a batch of captions (n, K) whose logits and maps, of so many numbers for a caption, are larger than the free memory. Linux
    would promise it, and kill this process later; a GPU raises an error by itself.
    """
    needed = 4 * words.numel() * (_COPIES * vocabulary_size + map_numbers)
    if needed < _ALWAYS_FREE or words.device.type != "cpu":
        return
    from captioner.layers.allocation import free_memory

    if needed > free_memory():
        raise UserError(
            f"{words.shape[1]:,} captions of each of {len(words):,} photos need {needed / 2**30:,.1f} GiB of memory, "
            f"{free_memory() / 2**30:,.1f} GiB are free; give search.beams, search.samples or run.batch_size a smaller number"
        )
