"""Captions drawn by chance, batched over photos and samples.

Shapes: n photos still in the batch, K samples of a photo, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.attention import Memory
from captioner.decoders import Decoder
from captioner.layers.topk import largest
from captioner.ranges import Count, Positive, Share, Size
from captioner.search.hypotheses import Trace
from captioner.search.limits import USUAL, Limits
from captioner.search.steps import Chosen, Standing, write


@dataclass(frozen=True)
class Sampling:
    """Draws every word from the decoder's distribution, or from the likely part of it.

    Temperature comes first, then `top_k`, then `top_p`; what they and the limits take away is shared out among the other words. The
    log-probabilities that captions carry are the decoder's own all the same. Draws come from torch's generator: `torch.manual_seed`
    repeats them.

    Source of top_p: Holtzman et al. 2020, section 3.1 (nucleus sampling).

    Args:
        samples: K, drawn for each photo; the likeliest is the photo's caption, the others are its candidates.
        temperature: what logits are divided by; below 1 likely words become likelier.
        top_k: words are drawn from the k likeliest; 0 for all.
        top_p: words are drawn from the fewest that have this probability together; 1 for all.
        limits: what a caption may be.
    """

    samples: Size = 1
    temperature: Positive = 1.0
    top_k: Count = 0
    top_p: Share = 1.0
    limits: Limits = USUAL

    def __call__(self, decoder: Decoder, memory: Memory, most: int = 1) -> list[list[Trace]]:
        """The likeliest `most` of each photo's samples, likeliest first."""
        return write(self, decoder, memory, most)

    def choose(self, log_probs: Tensor, standing: Standing) -> Chosen:
        num_photos, num_rows = log_probs.shape[:2]
        each = self.samples if standing.length == 0 else 1
        likely = nucleus(likeliest(log_probs / self.temperature, self.top_k), self.top_p).softmax(-1)
        words = drawn(likely, each).flatten(1)
        parents = torch.arange(num_rows, device=words.device).repeat_interleave(each).expand(num_photos, -1)
        taken = log_probs[torch.arange(num_photos, device=words.device)[:, None], parents, words]
        scores = standing.scores.gather(1, parents) + taken
        return Chosen(words, parents, taken, scores, scores)


def drawn(probabilities: Tensor, count: int) -> Tensor:
    """Draws (..., count) with replacement from each distribution (..., V): where its running sum reaches a uniform number.

    One such number a draw; `torch.multinomial` takes one for each of V, which costs a CPU more than the product with the vocabulary.
    """
    sums = probabilities.cumsum(-1)
    uniform = 1 - torch.rand(
        *sums.shape[:-1], count, dtype=sums.dtype, device=sums.device
    )  # never 0: no impossible word
    return torch.searchsorted(sums, uniform * sums[..., -1:])


def likeliest(log_probs: Tensor, count: int) -> Tensor:
    """Log-probabilities (..., V) of the likeliest words, minus infinity for the others; 0 keeps all."""
    if count == 0 or count >= log_probs.shape[-1]:
        return log_probs
    kept = largest(log_probs, count).indices
    return torch.full_like(log_probs, -torch.inf).scatter(-1, kept, log_probs.gather(-1, kept))


def nucleus(log_probs: Tensor, mass: float) -> Tensor:
    """Log-probabilities (..., V) of the fewest words that have this share of the probability together, minus infinity for the others."""
    if mass == 1:
        return log_probs
    sorted_log_probs, order = log_probs.sort(-1, descending=True)
    shares = sorted_log_probs.softmax(-1)
    before = shares.cumsum(-1) - shares  # of likelier words
    return log_probs.masked_fill(
        torch.zeros_like(order, dtype=torch.bool).scatter(-1, order, before >= mass), -torch.inf
    )
