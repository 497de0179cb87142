"""The history of a search, and the whole captions that are read from it.

Shapes: B photos, n photos still in the batch, K beams, T words, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.attention import Attended
from captioner.text.vocabulary import END, PAD


@dataclass(frozen=True)
class Hypothesis:
    """A caption that a search returns, as word indices."""

    words: Tensor  # (T,) without the end token
    log_probs: Tensor  # (T + 1,) of the words and of the end token
    ended: bool  # False: cut at the maximum length
    log_prob: float
    attended: dict[str, Tensor | None]  # (T, ...) each, as `Attended.maps` names them
    candidates: list[tuple[Tensor, float]]  # words and log-probability of all captions of this photo, best first


class SearchHistory:
    """Every step of a search: words, log-probabilities, parents and maps. Photos that have finished may leave the batch.

    A beam that has ended keeps its slot and writes PAD with log-probability 0.
    """

    def __init__(self, num_photos: int):
        self.num_photos = num_photos
        self.words: list[Tensor] = []  # (B, K) each
        self.log_probs: list[Tensor] = []  # (B, K)
        self.parents: list[Tensor] = []  # (B, K) the beam of the previous step that each one continues
        self.maps: list[dict[str, Tensor | None]] = []  # (B, K, ...)

    def record(self, photos: Tensor, words: Tensor, log_probs: Tensor, parents: Tensor, attended: Attended) -> None:
        """Add a step of the photos (n,): words, log-probabilities and parents (n, K), and what each parent attended to."""
        num_beams = words.shape[1]
        self.words.append(self._for_all(photos, words, torch.full((1, num_beams), PAD, device=words.device)))
        self.log_probs.append(self._for_all(photos, log_probs, log_probs.new_zeros(1, num_beams)))
        self.parents.append(self._for_all(photos, parents, torch.arange(num_beams, device=words.device)[None]))
        self.maps.append({name: self._of_parents(photos, parents, values) for name, values in attended.maps().items()})

    def hypotheses(self, order: Tensor, scores: Tensor, max_length: int, max_captions: int) -> list[list[Hypothesis]]:
        """Each photo's best captions, at most `max_captions`.

        Args:
            order: (B, K) beams, best first.
            scores: (B, K) log-probabilities of the beams.
            max_length: a caption of that many words may have been cut.
            max_captions: per photo.
        """
        words, log_probs, slots = self.follow_back(order)
        words, log_probs = words.cpu(), log_probs.cpu()
        scores = scores.gather(1, order).cpu()
        maps = {name: self._maps_of(name, slots, max_captions) for name in self.maps[0]}
        lengths = (words > END).sum(-1)  # (B, K)
        captions = []
        for photo in range(self.num_photos):
            beams = [beam for beam in range(order.shape[1]) if scores[photo, beam] > -torch.inf]
            candidates = [(words[photo, beam, : lengths[photo, beam]], float(scores[photo, beam])) for beam in beams]
            captions.append(
                [
                    _hypothesis(photo, beam, candidates, log_probs[photo, beam], maps, max_length)
                    for beam in beams[:max_captions]
                ]
            )
        return captions

    def follow_back(self, order: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Words and log-probabilities (B, K, T) of the ranked beams (B, K), and their slots (B, K) at each step."""
        slots, words, log_probs = order, [], []
        all_slots = []
        for step in reversed(range(len(self.words))):
            words.append(self.words[step].gather(1, slots))
            log_probs.append(self.log_probs[step].gather(1, slots))
            all_slots.append(slots)
            slots = self.parents[step].gather(1, slots)
        return torch.stack(words[::-1], -1), torch.stack(log_probs[::-1], -1), all_slots[::-1]

    def _maps_of(self, name: str, slots: list[Tensor], max_captions: int) -> Tensor | None:
        """One kind of map of the best beams (B, max_captions, T, ...) on the CPU; `slots` (B, K) are theirs at each step."""
        photos = torch.arange(self.num_photos, device=slots[0].device)[:, None]
        steps = [step[name] for step in self.maps]
        maps = [
            values[photos, slot[:, :max_captions]]
            for values, slot in zip(steps, slots, strict=True)
            if values is not None
        ]
        return torch.stack(maps, 2).cpu() if maps else None

    def _of_parents(self, photos: Tensor, parents: Tensor, values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        values = values[torch.arange(len(photos), device=values.device)[:, None], parents]
        return self._for_all(photos, values, values.new_zeros(1, 1)).float()

    def _for_all(self, photos: Tensor, values: Tensor, fill: Tensor) -> Tensor:
        """Values (n, K, ...) of some photos as (B, K, ...) of all, with `fill` for the others."""
        if len(photos) == self.num_photos:
            return values
        fill = fill.reshape(fill.shape + (1,) * (values.dim() - 2))
        filled = fill.expand(self.num_photos, *values.shape[1:]).clone()
        filled[photos] = values
        return filled


def _hypothesis(
    photo: int,
    beam: int,
    candidates: list[tuple[Tensor, float]],
    log_probs: Tensor,
    maps: dict[str, Tensor | None],
    max_length: int,
) -> Hypothesis:
    words, log_prob = candidates[beam]
    length = len(words)
    own = {name: None if values is None else values[photo, beam, :length].clone() for name, values in maps.items()}
    return Hypothesis(words, log_probs[: length + 1].clone(), length < max_length, log_prob, own, candidates)
