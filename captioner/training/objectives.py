"""Objectives of training, by their names in a config.

Shapes: B photos, Q references of one photo, T words, R regions, O output, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor
from torch.nn import functional

from captioner.attention import Attended, Memory
from captioner.layers.cross_entropy import cross_entropy
from captioner.model import CaptionModel
from captioner.ranges import Count, Fraction, NonNegative, OneOf, Positive, Probability, Size
from captioner.regions import Grid, Layout
from captioner.text.vocabulary import PAD
from captioner.training.contract import EvidenceObjective, Objective, Totals, logits_of_words
from captioner.training.distillation import Distillation
from captioner.training.reinforce import Reinforce, RewardOf
from captioner.training.self_critical import SelfCritical

if TYPE_CHECKING:
    from captioner.data.batches import Batch
    from captioner.training.object_maps import ObjectMaps

COVERAGE_REDUCTIONS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "sum_regions": lambda gap, mask, captions: gap.sum() / captions,
    "mean_regions": lambda gap, mask, captions: _mean_over_regions(gap, mask).sum() / captions,
    "sum_captions": lambda gap, mask, captions: _mean_over_regions(gap, mask).sum(),
}
"""Reductions of the coverage penalty (gap, region mask, captions), by the name a config gives them."""
DECAYS: dict[str, Callable[[int, int], float]] = {
    "linear": lambda step, steps: max(0.0, 1 - step / steps),
    "exponential": lambda step, steps: math.exp(-step / steps),
    "inverse_sigmoid": lambda step, steps: steps / (steps + math.exp(min(step / steps, 700.0))),
}
"""Probability of the reference word of scheduled sampling after a number of steps, by the name of the decay."""


class TeacherForcing(EvidenceObjective):
    r"""Cross-entropy of the next reference word given the reference so far, with the coverage penalty of Xu et al. 2015.

    If attention draws regions (`hard`), the REINFORCE term of their section 4.1 is added; see `Reinforce`.

    Source: Xu et al. 2015, section 4.2.1, equation 14: $-\log p(y|x) + \lambda \sum_i (1 - \sum_t \alpha_{ti})^2$ ("doubly stochastic").
    The cross-entropy is the mean over words. The reduction of the penalty is a setting, because three are in use and lambda does not
    transfer between them: `sum_regions` sums over regions and averages over captions (the paper); `mean_regions` averages over both (a
    popular reimplementation); `sum_captions` sums over captions and averages over regions (the authors' code).

    Four more penalties on the maps, all means over words: their entropy over log R, as `MapShape` reports it; the squared distance to
    the maps of the photo's mirror image, mirrored back (Guo et al. 2019, section 3, there with convolutional heatmaps); their divergence
    from the boxes of the objects that words name; see `object_maps`; and their divergence from where the word could be seen, as
    regions alone tell; see `word_evidence`.

    Args:
        model: the model to train.
        label_smoothing: share of the target distribution that is uniform over the vocabulary.
        coverage: weight of the coverage penalty (lambda), which asks that each region is used once; 0 for none.
        coverage_reduction: how the penalty is reduced: `sum_regions` sums over regions and averages over captions; `mean_regions` averages
            over both; `sum_captions` sums over captions and averages over regions.
        map_entropy: weight of the entropy of each word's map, from 0 (one region) to 1 (uniform), which asks for narrow maps; 0 for none.
        map_entropy_from: number of training steps before this penalty begins.
        map_entropy_rise: number of steps in which its weight then rises evenly to `map_entropy`.
        mirror: weight of the squared distance between each word's map and that of the photo's mirror image, mirrored back; 0 for none.
        grounding: weight of the divergence of the maps of words that name objects from the objects' boxes; 0 for none.
        instances: boxes of objects of some or all training photos: a file in COCO's instances format, or the folder of Flickr30k Entities.
        evidence: weight of the divergence of content words' maps from the evidence for the words in the regions of a frozen encoder, which
            is learned before training; 0 for none.
        evidence_sharpness: factor of the scores that this evidence consists of.
        reinforce: weight of the REINFORCE term; for attention that draws regions (`hard`).
        choice_entropy: weight of the bonus for the entropy of the draws; for attention that draws regions (`hard`).
        reward: the reward of a drawn region: the log-probability of its word, or of the whole caption.
        sampling: scheduled sampling: how the probability that the decoder reads a reference word, and not its own, falls during training.
        sampling_steps: number of training steps that sets how fast it falls (k): `linear` would reach 0, `exponential` 1/e after k steps.
        sampling_least: the smallest probability of reading a reference word.

    Raises:
        ValueError: a penalty on maps of a model that has none, or on mirrored maps that cannot be compared.
    """

    terms = ("loss", "coverage")

    def __init__(
        self,
        model: CaptionModel,
        label_smoothing: Fraction = 0.0,
        coverage: NonNegative = 0.0,
        coverage_reduction: Annotated[str, OneOf(COVERAGE_REDUCTIONS)] = "sum_regions",
        map_entropy: NonNegative = 0.0,
        map_entropy_from: Count = 0,
        map_entropy_rise: Count = 0,
        mirror: NonNegative = 0.0,
        grounding: NonNegative = 0.0,
        instances: str = "",
        evidence: NonNegative = 0.0,
        evidence_sharpness: Positive = 2.0,
        reinforce: NonNegative = 1.0,
        choice_entropy: NonNegative = 0.01,
        reward: RewardOf = "word",
        sampling: Annotated[str, OneOf(["none", *DECAYS])] = "none",
        sampling_steps: Size = 10_000,
        sampling_least: Probability = 0.75,
    ):
        super().__init__(model, evidence, evidence_sharpness)
        self.label_smoothing = label_smoothing
        self.coverage = coverage
        self.coverage_reduction = coverage_reduction
        self.map_entropy, self.map_entropy_from, self.map_entropy_rise = map_entropy, map_entropy_from, map_entropy_rise
        self.mirror = mirror
        self.grounding = grounding
        self.object_maps: ObjectMaps | None = None
        """Of the training photos, set after the objective is made."""
        self.reinforce = Reinforce(reinforce, choice_entropy, reward)
        self.sampling, self.sampling_steps, self.sampling_least = sampling, sampling_steps, sampling_least
        on_maps = {
            "coverage": coverage,
            "map_entropy": map_entropy,
            "mirror": mirror,
            "grounding": grounding,
            "evidence": evidence,
        }
        self.need_weights = any(weight > 0 for weight in on_maps.values())
        used = [name for name, weight in on_maps.items() if weight > 0]
        self.terms += tuple(name for name in used if name in ("map_entropy", "mirror", "grounding"))
        self._check(used, instances)

    def _check(self, on_maps: Sequence[str], instances: str) -> None:
        """Raise a ValueError if the model's maps do not fit the penalties on maps that are used."""
        for name in on_maps:
            self.check_maps(name)
        if self.grounding and not instances:
            raise ValueError(
                "grounding needs boxes of the training photos, got none; set instances to their file, or grounding to 0"
            )
        if self.grounding and not isinstance(getattr(self.model.encoder, "layout", None), Grid):
            raise ValueError("grounding needs an encoder whose regions are on a grid, got boxes; set grounding to 0")
        if self.mirror and self.sampling != "none":
            raise ValueError(
                f"mirror compares the maps of equal words, got sampling: {self.sampling}, which draws words for each photo; "
                "choose sampling: none, or set mirror to 0"
            )
        if self.mirror and not isinstance(getattr(self.model.encoder, "layout", None), Grid):
            raise ValueError(
                "mirror needs regions on a grid, got boxes, which a mirror image has elsewhere; set it to 0"
            )

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        memory = self.model.remember(batch.photos)
        output, attended = self._read(batch.inputs, memory, totals.step)
        maps = attended.weights  # None if no penalty needs them
        real = batch.targets != PAD  # (B, Q, T)
        logits, targets = logits_of_words(self.model, output, real), batch.targets[real]  # (words, V), (words,)
        loss_per_word = cross_entropy(logits, targets, self.label_smoothing) / totals.words
        coverage = loss_per_word.new_zeros(())
        if self.coverage > 0 and maps is not None:
            gap = coverage_gap(maps, real, memory.mask) * batch.caption_mask[..., None]
            coverage = COVERAGE_REDUCTIONS[self.coverage_reduction](gap, memory.mask, totals.captions)
        loss = loss_per_word + self.coverage * coverage
        terms = [loss_per_word, coverage]
        if self.map_entropy > 0 and maps is not None:
            terms.append((map_entropies(maps, memory.mask) * real).sum() / totals.words)
            loss = loss + self._map_entropy_weight(totals.step) * terms[-1]
        if self.mirror > 0 and maps is not None:
            terms.append((self._mirror_distances(maps, batch, memory.layout) * real).sum() / totals.words)
            loss = loss + self.mirror * terms[-1]
        if self.grounding > 0 and maps is not None:
            assert self.object_maps is not None
            terms.append(self.object_maps.divergences(maps, batch).sum() / totals.words)
            loss = loss + self.grounding * terms[-1]
        if self.word_evidence is not None and maps is not None:
            terms.append(self.divergences(maps, batch.targets, batch).sum() / totals.words)
            loss = loss + self.evidence * terms[-1]
        if attended.choice_log_prob is not None:
            log_probs = attended.choice_log_prob.new_zeros(real.shape)
            log_probs[real] = -functional.cross_entropy(logits.detach(), targets, reduction="none").to(log_probs)
            loss = loss + self.reinforce(log_probs, attended, real) / totals.words
        return loss, torch.stack(terms).detach()

    def _map_entropy_weight(self, step: int) -> float:
        """The weight after a number of training steps."""
        share = (step - self.map_entropy_from + 1) / max(1, self.map_entropy_rise)
        return self.map_entropy * min(1.0, max(0.0, share))

    def _mirror_distances(self, weights: Tensor, batch: Batch, layout: Layout) -> Tensor:
        """(B, Q, T): the squared distance between the words' maps and those of the mirrored photos, mirrored back."""
        assert batch.mirrored is not None
        assert isinstance(layout, Grid)
        _, mirrored = self.model.decoder(batch.inputs, self.model.remember(batch.mirrored))
        assert mirrored.weights is not None
        back = mirrored.weights.unflatten(-1, (layout.rows, layout.columns)).flip(-1).flatten(-2)
        return (weights - back).square().sum(-1)

    def _read(self, words: Tensor, memory: Memory, step: int) -> tuple[Tensor, Attended]:
        if self.sampling == "none" or not self.training:
            return self.model.decoder(words, memory, self.need_weights)
        from captioner.training.scheduled_sampling import read_scheduled

        share = max(self.sampling_least, reference_share(self.sampling, step, self.sampling_steps))
        return read_scheduled(self.model.decoder, words, memory, share, self.need_weights)


def reference_share(decay: str, step: int, steps: int) -> float:
    r"""The probability, 0 to 1, of reading the reference's word after i steps: $1 - i / k$, $e^{-i / k}$ or $k / (k + e^{i / k})$.

    Source: Bengio et al. 2015, section 2.4. Differs: slope and base follow from k, a number of steps: linear decay ends at k, and
    exponential decay is 1/e at k.
    """
    return DECAYS[decay](step, steps)


def coverage_gap(weights: Tensor, word_mask: Tensor, region_mask: Tensor) -> Tensor:
    """(B, Q, R): the square of 1 minus the weight that all real words together gave each region; 0 where the region is padding."""
    total = (weights * word_mask[..., None]).sum(2)  # (B, Q, R)
    return (1 - total).square() * region_mask[:, None]


def map_entropies(weights: Tensor, region_mask: Tensor) -> Tensor:
    """(B, Q, T): the entropy of maps (B, Q, T, R), each scaled to sum 1, over log R of the photo's real regions; 0 for a map of zeros."""
    shares = weights / weights.sum(-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    logs = torch.where(shares > 0, shares, 1).log()  # a weight of exactly 0 adds nothing, and has no gradient
    return -(shares * logs).sum(-1) / region_mask.sum(1).clamp(min=2).log()[:, None, None]


def _mean_over_regions(gap: Tensor, mask: Tensor) -> Tensor:
    """(B, Q): each photo's mean over its own real regions."""
    return gap.sum(2) / mask.sum(1, keepdim=True).clamp(min=1)


KINDS: dict[str, Callable[..., Objective]] = {
    "teacher_forcing": TeacherForcing,
    "self_critical": SelfCritical,
    "distillation": Distillation,
}
