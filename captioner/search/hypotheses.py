"""What every step of a search saw and chose, and how to read whole captions off it.

Shapes: B photos, n photos still in the batch, K beams, T words, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.attention import Attended
from captioner.text.vocabulary import END, PAD


@dataclass(frozen=True)
class Trace:
    """One caption as a search found it."""

    words: Tensor  # (T,) numbers, the end mark not among them
    log_probs: Tensor  # (T + 1,) of the words and of the end mark
    ended: bool
    log_prob: float
    attended: dict[str, Tensor | None]  # (T, ...) each
    candidates: list[
        tuple[Tensor, float]
    ]  # words and log-probability of all that were found for this photo, best first

    @property
    def word_log_probs(self) -> Tensor:
        return self.log_probs[:-1]

    @property
    def end_log_prob(self) -> float:
        return float(self.log_probs[-1])


class Tape:
    """Records steps of a search in which finished photos may leave the batch.

    A beam that has ended goes on in its place, writing PAD with log-probability 0.
    """

    def __init__(self, num_photos: int):
        self.num_photos = num_photos
        self.words: list[Tensor] = []  # (B, K) each
        self.log_probs: list[Tensor] = []  # (B, K)
        self.parents: list[Tensor] = []  # (B, K) the beam of the step before that each continues
        self.attended: list[dict[str, Tensor | None]] = []  # (B, K, ...)

    def record(self, photos: Tensor, words: Tensor, log_probs: Tensor, parents: Tensor, attended: Attended) -> None:
        """Note a step of the photos (n,): words, log-probabilities and parents (n, K), what each parent attended."""
        num_beams = words.shape[1]
        self.words.append(self._spread(photos, words, torch.full((1, num_beams), PAD, device=words.device)))
        self.log_probs.append(self._spread(photos, log_probs, log_probs.new_zeros(1, num_beams)))
        self.parents.append(self._spread(photos, parents, torch.arange(num_beams, device=words.device)[None]))
        self.attended.append({name: self._seen(photos, parents, values) for name, values in attended.maps().items()})

    def traces(self, order: Tensor, scores: Tensor, max_length: int, most: int) -> list[list[Trace]]:
        """Each photo's best captions, `most` or fewer; `order` (B, K) ranks the beams, `scores` (B, K) are log-probabilities."""
        words, log_probs, slots = self.walk_back(order)
        words, log_probs = words.cpu(), log_probs.cpu()
        scores = scores.gather(1, order).cpu()
        attended = {name: self._seen_by(name, slots, most) for name in self.attended[0]}
        lengths = (words > END).sum(-1)  # (B, K)
        found = []
        for photo in range(self.num_photos):
            there = [beam for beam in range(order.shape[1]) if scores[photo, beam] > -torch.inf]
            candidates = [(words[photo, beam, : lengths[photo, beam]], float(scores[photo, beam])) for beam in there]
            found.append(
                [_trace(photo, beam, candidates, log_probs[photo, beam], attended, max_length) for beam in there[:most]]
            )
        return found

    def walk_back(self, order: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Words and log-probabilities (B, K, T), and each step's slots (B, K), following the ranked beams back."""
        slots, words, log_probs = order, [], []
        all_slots = []
        for step in reversed(range(len(self.words))):
            words.append(self.words[step].gather(1, slots))
            log_probs.append(self.log_probs[step].gather(1, slots))
            all_slots.append(slots)
            slots = self.parents[step].gather(1, slots)
        return torch.stack(words[::-1], -1), torch.stack(log_probs[::-1], -1), all_slots[::-1]

    def _seen_by(self, name: str, slots: list[Tensor], most: int) -> Tensor | None:
        """What the best beams attended, (B, most, T, ...), on the CPU; `slots` (B, K) are theirs at each step."""
        photos = torch.arange(self.num_photos, device=slots[0].device)[:, None]
        steps = [step[name] for step in self.attended]
        seen = [values[photos, slot[:, :most]] for values, slot in zip(steps, slots, strict=True) if values is not None]
        return torch.stack(seen, 2).cpu() if seen else None

    def _seen(self, photos: Tensor, parents: Tensor, values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        values = values[torch.arange(len(photos), device=values.device)[:, None], parents]
        return self._spread(photos, values, values.new_zeros(1, 1)).float()

    def _spread(self, photos: Tensor, values: Tensor, otherwise: Tensor) -> Tensor:
        """Values (n, K, ...) of some photos as (B, K, ...), the rest filled."""
        if len(photos) == self.num_photos:
            return values
        fill = otherwise.reshape(otherwise.shape + (1,) * (values.dim() - 2))
        spread = fill.expand(self.num_photos, *values.shape[1:]).clone()
        spread[photos] = values
        return spread


def _trace(
    photo: int,
    beam: int,
    candidates: list[tuple[Tensor, float]],
    log_probs: Tensor,
    attended: dict[str, Tensor | None],
    max_length: int,
) -> Trace:
    words, log_prob = candidates[beam]
    length = len(words)
    seen = {name: None if values is None else values[photo, beam, :length].clone() for name, values in attended.items()}
    return Trace(words, log_probs[: length + 1], length < max_length, log_prob, seen, candidates)
