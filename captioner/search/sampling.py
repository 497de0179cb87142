"""Sampling: captions drawn at random, batched over photos and samples.

Shapes: n photos still in the batch, K samples of a photo, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from captioner.ranges import Captions, Count, Divisor, Share
from captioner.search.limits import DEFAULT, Limits
from captioner.search.steps import BeamState, Continuations, Search


@dataclass(frozen=True)
class Sampling(Search):
    """Draw every word from the decoder's distribution, or from the likely part of it.

    Temperature is applied first, then `top_k`, then `top_p`; the remaining words are renormalised. Captions still carry the decoder's
    own log-probabilities. Draws come from torch's generator: `torch.manual_seed` repeats them.

    Source of top_p: Holtzman et al. 2020, section 3.1 (nucleus sampling).

    Args:
        samples: number of captions drawn for each photo (K); the likeliest is the photo's caption, the others are its candidates.
        temperature: divisor of the logits; below 1, likely words become likelier.
        top_k: number of likeliest words from which each word is drawn; 0 for all.
        top_p: each word is drawn from the smallest set of words that together have this probability; 1 for all.
        limits: limits on captions.
    """

    samples: Captions = 1
    temperature: Divisor = 1.0
    top_k: Count = 0
    top_p: Share = 1.0
    limits: Limits = DEFAULT
    independent: ClassVar[bool] = True

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        num_photos, num_captions = log_probs.shape[:2]
        num_draws = self.samples if state.length == 0 else 1
        likely = nucleus(likeliest(log_probs / self.temperature, self.top_k), self.top_p).softmax(-1)
        words = drawn(likely, num_draws).flatten(1)
        parents = torch.arange(num_captions, device=words.device).repeat_interleave(num_draws).expand(num_photos, -1)
        log_probs = log_probs[torch.arange(num_photos, device=words.device)[:, None], parents, words]
        scores = state.scores.gather(1, parents) + log_probs
        return Continuations(words, parents, log_probs, scores, scores)


def drawn(probabilities: Tensor, count: int) -> Tensor:
    """Draws (..., count) with replacement from each distribution (..., V), by inverting its cumulative sum.

    This takes one uniform number per draw. `torch.multinomial` takes one for each of V, which on a CPU costs more than the product with
    the vocabulary.
    """
    sums = probabilities.cumsum(-1)
    random = torch.rand(*sums.shape[:-1], count, dtype=sums.dtype, device=sums.device)
    uniform = 1 - random  # never 0, which would be a word of probability 0
    places = torch.searchsorted(sums, uniform * sums[..., -1:])
    return places.clamp_(max=sums.shape[-1] - 1)  # NaN is found behind the last word


def likeliest(log_probs: Tensor, count: int) -> Tensor:
    """Log-probabilities (..., V) of the likeliest words, minus infinity for the others; 0 keeps all."""
    if count == 0 or count >= log_probs.shape[-1]:
        return log_probs
    from captioner.layers.topk import largest  # training takes its first steps without it

    kept = largest(log_probs, count).indices
    return torch.full_like(log_probs, -torch.inf).scatter(-1, kept, log_probs.gather(-1, kept))


def nucleus(log_probs: Tensor, mass: float) -> Tensor:
    """Log-probabilities (..., V) of the smallest set of words that has this share of the probability, minus infinity for the others."""
    if mass == 1:
        return log_probs
    sorted_log_probs, order = log_probs.sort(-1, descending=True)
    shares = sorted_log_probs.softmax(-1)
    above = shares.cumsum(-1) - shares  # the share of likelier words
    above[..., 0] = -1  # one word remains, however small the mass is
    removed = torch.zeros_like(order, dtype=torch.bool).scatter(-1, order, above >= mass)
    return log_probs.masked_fill(removed, -torch.inf)
