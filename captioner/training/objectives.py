"""What training minimises: every objective, by the name a config gives it.

An objective is a module that holds the model and turns a batch into a loss, so that DDP wraps all there is to differentiate.

Shapes: B photos, Q references of one photo, T words, R regions, O output, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.data.batches import Batch
from captioner.model import CaptionModel
from captioner.ranges import Fraction, NonNegative
from captioner.training.cross_entropy import cross_entropy
from captioner.training.reinforce import Reinforce
from captioner.vocabulary import PAD


@dataclass(frozen=True)
class Totals:
    """What one step holds over all processes and all parts of an accumulated batch; losses are divided by these."""

    words: int  # end marks among them
    captions: int


class TeacherForcing(nn.Module):
    r"""Cross-entropy of the next reference word given the reference so far, with the coverage penalty of Xu et al. 2015.

    Where attention draws regions (`hard`), the REINFORCE term of their section 4.1 is added; see `Reinforce`.

    Source: Xu et al. 2015, section 4.2.1, equation 14: $-\log p(y|x) + \lambda \sum_i (1 - \sum_t \alpha_{ti})^2$ ("doubly stochastic").
    The cross-entropy is the mean over words. The penalty's reduction is named, because three are in use and one lambda does not carry
    over: `sum_regions` sums over regions and averages over captions (the paper); `mean_regions` averages over both (a popular
    reimplementation); `sum_captions` sums over captions and averages over regions (the authors' code).

    Args:
        model: what to train.
        label_smoothing: share of the target spread evenly over the vocabulary.
        coverage: lambda; 0 for none.
        coverage_reduction: see above.
        reinforce: weight of the REINFORCE term, for attention that draws.
        choice_entropy: bonus for looks that could have gone elsewhere, for attention that draws.
        reward: what a look that was drawn is judged by.
    """

    def __init__(
        self,
        model: CaptionModel,
        label_smoothing: Fraction = 0.0,
        coverage: NonNegative = 0.0,
        coverage_reduction: Literal["sum_regions", "mean_regions", "sum_captions"] = "sum_regions",
        reinforce: NonNegative = 1.0,
        choice_entropy: NonNegative = 0.01,
        reward: Literal["word", "caption"] = "word",
    ):
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing
        self.coverage = coverage
        self.coverage_reduction = coverage_reduction
        self.reinforce = Reinforce(reinforce, choice_entropy, reward)

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        """This batch's share of the step's loss; and, detached, its shares of cross-entropy and coverage (2,).

        Shares add up, over the parts of an accumulated batch and over processes, to the loss of the whole.
        """
        memory = self.model.remember(batch.photos)
        output, attended = self.model.decoder.read(batch.inputs, memory, need_weights=self.coverage > 0)
        real = batch.targets != PAD  # (B, Q, T)
        logits, targets = self._logits(output, real), batch.targets[real]  # (words, V), (words,)
        wrong = cross_entropy(logits, targets, self.label_smoothing) / totals.words
        coverage = wrong.new_zeros(())
        if self.coverage > 0 and attended.weights is not None:
            missing = coverage_gap(attended.weights, real, memory.mask)
            missing = missing * batch.caption_mask[..., None]
            coverage = _REDUCTIONS[self.coverage_reduction](missing, memory.mask, totals.captions)
        loss = wrong + self.coverage * coverage
        if attended.choice_log_prob is not None:
            log_probs = attended.choice_log_prob.new_zeros(real.shape)
            log_probs[real] = -functional.cross_entropy(logits.detach(), targets, reduction="none").to(log_probs)
            loss = loss + self.reinforce(log_probs, attended, real) / totals.words
        return loss, torch.stack([wrong, coverage]).detach()

    def _logits(self, output: Tensor, real: Tensor) -> Tensor:
        """Of real words only: padding never reaches the vocabulary product."""
        words = real.flatten().nonzero().squeeze(1)
        return self.model.decoder.vocabulary_logits(output.flatten(0, 2).index_select(0, words))


def coverage_gap(weights: Tensor, word_mask: Tensor, region_mask: Tensor) -> Tensor:
    """(B, Q, R): the square of 1 less what all real words together gave each region; 0 where there is no region."""
    given = (weights * word_mask[..., None]).sum(2)  # (B, Q, R)
    return (1 - given).square() * region_mask[:, None]


def _mean_over_regions(gap: Tensor, mask: Tensor) -> Tensor:
    """(B, Q): each photo's mean over its own real regions."""
    return gap.sum(2) / mask.sum(1, keepdim=True).clamp(min=1)


_REDUCTIONS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "sum_regions": lambda gap, mask, captions: gap.sum() / captions,
    "mean_regions": lambda gap, mask, captions: _mean_over_regions(gap, mask).sum() / captions,
    "sum_captions": lambda gap, mask, captions: _mean_over_regions(gap, mask).sum(),
}

KINDS: dict[str, Callable[..., nn.Module]] = {
    "teacher_forcing": TeacherForcing,
}
