"""Self-critical training: captions are drawn, scored, and made more or less likely.

Shapes: B photos, K samples of a photo, T words, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy
import torch
from torch import Tensor

from captioner.attention import Memory
from captioner.model import CaptionModel, evaluating
from captioner.ranges import Captions, Divisor, NonNegative, Positive, Words
from captioner.search import Greedy, Limits, Sampling, draw
from captioner.text.vocabulary import END, PAD, START, UNK
from captioner.training.contract import EvidenceObjective, Totals

if TYPE_CHECKING:
    from captioner.data.batches import Batch

Reward = Callable[[Sequence[int], numpy.ndarray, numpy.ndarray, numpy.ndarray], numpy.ndarray]
"""Scores (B, K) of captions, given the indices of the photos in the training split, words (B, K, T), numbers of words (B, K), and
whether the end token followed (B, K)."""


class SelfCritical(EvidenceObjective):
    r"""Captions are drawn, scored, and made more or less likely (REINFORCE with captions as actions): the gradient is
    $-\frac1K \sum_k (r(w^k) - b_k) \, \nabla \log p(w^k)$ for each photo.

    Source: Rennie et al. 2017, section 3. With `baseline="greedy"`, $b$ is the reward of the greedy caption, as there; with `"mean"`,
    $b_k$ is the mean reward of the photo's other samples (Luo 2020).
    The end token is an action and a rewarded word: without it, captions learn to end in "with a".
    Differs: dropout is off, so that captions are drawn from the distribution whose gradient is taken. They are drawn first, and then
    read all at once for their gradient. Words that decoding forbids (`<unk>`, the end token as first word) have probability zero.

    Args:
        model: the model to train; best started from a checkpoint of teacher forcing (`run.from_run`).
        rewards: rewards by name, `cider` and `bleu`.
        bad_words: indices of words that no caption should end with; their share is logged.
        cider: weight of CIDEr-D, 0 to 10, in the reward.
        bleu: weight of BLEU-4 of each caption, 0 to 1, in the reward.
        samples: number of captions drawn for each photo (K).
        baseline: the value subtracted from a reward: `mean`, the mean reward of the photo's other samples; `greedy`, the reward of its
            greedy caption.
        temperature: divisor of the logits, in drawing and in the gradient.
        max_length: maximum number of words of a drawn caption; one that reaches it is scored without its end token.
        evidence: weight of the divergence of content words' maps from the evidence for the words in the regions of a frozen encoder, which
            is learned before training; 0 for none.
        evidence_sharpness: factor of the scores that this evidence consists of.
    """

    terms = ("reward", "baseline", "bad_endings", "length")

    def __init__(
        self,
        model: CaptionModel,
        rewards: Mapping[str, Reward],
        bad_words: Sequence[int] = (),
        cider: NonNegative = 1.0,
        bleu: NonNegative = 0.0,
        samples: Captions = 5,
        baseline: Literal["mean", "greedy"] = "mean",
        temperature: Divisor = 1.0,
        max_length: Words = 20,
        evidence: NonNegative = 0.0,
        evidence_sharpness: Positive = 2.0,
    ):
        super().__init__(model, evidence, evidence_sharpness)
        if baseline == "mean" and samples < 2:
            raise ValueError(
                f"the mean of a photo's other samples needs at least 2 samples, got {samples}; or take baseline: greedy"
            )
        self.weights = {name: weight for name, weight in (("cider", cider), ("bleu", bleu)) if weight > 0}
        if not self.weights:
            raise ValueError("a reward needs cider or bleu above 0, got 0 for both")
        self.rewards, self.baseline, self.bad_words = rewards, baseline, bad_words
        self.samples, self.temperature, self.limits = samples, temperature, Limits(max_length)

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        with evaluating(self.model):
            memory = self.model.remember(batch.photos)
            words = draw(Sampling(self.samples, self.temperature, limits=self.limits), self.model.decoder, memory)
            rewards = self._score(batch.indices, words)
            baseline = self._baseline(batch.indices, rewards, memory)
            torch.clear_autocast_cache()  # older versions of torch keep the weights' casts of the draws, through which no gradient passes
            words, order = _longest_first(words)
            advantages = (rewards - baseline).gather(1, order)
            log_probs, maps = self._read(words, memory)
            loss = -(advantages * log_probs).sum()
        share = 1 / (totals.photos * self.samples)
        lengths = _lengths(words)
        last = words.gather(2, (lengths - 1)[..., None]).squeeze(2)
        bad = torch.isin(last, torch.tensor(self.bad_words, dtype=last.dtype, device=last.device))
        terms = [rewards.sum(), baseline.expand_as(rewards).sum(), bad.sum(), lengths.sum()]
        if maps is not None:
            divergences = self.divergences(maps, words, batch).sum(-1) / (words != PAD).sum(-1)  # (B, K)
            terms.append(divergences.sum())
            loss = loss + self.evidence * terms[-1]
        return loss * share, torch.stack([term.float() for term in terms]).detach() * share

    def _score(self, places: Sequence[int], words: Tensor) -> Tensor:
        """Rewards (B, K) of captions (B, K, T)."""
        indices, lengths = words.cpu().numpy(), _lengths(words).cpu().numpy()
        ended = (words == END).any(-1).cpu().numpy()
        rewards = sum(
            weight * self.rewards[name](places, indices, lengths, ended) for name, weight in self.weights.items()
        )
        return torch.as_tensor(rewards, dtype=torch.float32, device=words.device)

    def _baseline(self, places: Sequence[int], rewards: Tensor, memory: Memory) -> Tensor:
        """(B, 1) or (B, K)."""
        if self.baseline == "greedy":
            return self._score(places, draw(Greedy(self.limits), self.model.decoder, memory))
        return (rewards.sum(1, keepdim=True) - rewards) / (self.samples - 1)

    def _read(self, words: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities (B, K) of captions (B, K, T), end tokens included, and, if needed, their maps (B, K, T, R); with gradients."""
        inputs = torch.cat([torch.full_like(words[..., :1], START), words[..., :-1]], -1)
        real = words != PAD
        need_maps = self.word_evidence is not None
        output, attended = self.model.decoder(inputs.masked_fill(~real, PAD), memory, need_maps)
        logits = self.model.decoder.vocabulary_logits(output[real]).float() / self.temperature  # (words, V)
        first = real.new_zeros(words.shape)
        first[..., 0] = True
        logits[:, [PAD, START, UNK]] = -torch.inf
        logits[first[real], END] = -torch.inf
        log_probs = logits.log_softmax(-1).gather(1, words[real][:, None]).squeeze(1)
        of_captions = log_probs.new_zeros(words.shape).masked_scatter(real, log_probs).sum(-1)
        return of_captions, attended.weights if need_maps else None


def _lengths(words: Tensor) -> Tensor:
    """The number of words of each caption, without the end token."""
    return (words > END).sum(-1)


def _longest_first(words: Tensor) -> tuple[Tensor, Tensor]:
    """Each photo's captions (B, K, T), longest first, so that decoders can skip ended ones; and their order (B, K)."""
    order = (words != PAD).sum(-1).argsort(dim=1, descending=True, stable=True)
    return words.gather(1, order[..., None].expand_as(words)), order
