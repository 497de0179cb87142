"""Distillation: a model learns the words of the references, and the distributions of trained models over every next word.

Shapes: B photos, Q references of one photo, T words, V vocabulary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from captioner.model import CaptionModel
from captioner.ranges import Divisor, Fraction, NonNegative, Positive, Share
from captioner.text.vocabulary import PAD
from captioner.training.contract import EvidenceObjective, Totals, logits_of_words

if TYPE_CHECKING:
    from captioner.data.batches import Batch


class Distillation(EvidenceObjective):
    r"""Cross-entropy of the next reference word, and the divergence of the model's distribution from the teachers':
    $(1 - \alpha) \, (-\log p(y_t)) + \alpha \, T^2 \, \mathrm{KL}(q_t \| p_t)$, both as means over words. $q_t$ is the mean of the
    teachers' probabilities after the same reference words, and $p_t$ the model's, both with logits divided by T in this term.

    Source: Hinton, Vinyals and Dean 2015, section 2 (the temperature, and the factor $T^2$, which keeps the weight of the term the same);
    for sequences of words, Kim and Rush 2016, section 3.1. Differs: the divergence in place of the cross-entropy with the teachers'
    distributions, which has the same gradient.

    Teachers see the photo in the same view as the model, so they teach mirror images too. They are in evaluation mode, and are not
    trained.

    Args:
        model: the model to train.
        teachers: run folders of one or more trained models with the same vocabulary and the same regions.
        share: weight of the divergence (alpha); the cross-entropy has the rest.
        temperature: divisor of the logits in the divergence (T).
        label_smoothing: share of the cross-entropy's target that is uniform over the vocabulary.
        evidence: weight of the divergence of content words' maps from the evidence for the words in the regions of a frozen encoder, which
            is learned before training; 0 for none.
        evidence_sharpness: factor of the scores that this evidence consists of.
    """

    terms = ("loss", "divergence")

    def __init__(
        self,
        model: CaptionModel,
        teachers: list[str],
        share: Share = 0.5,
        temperature: Divisor = 1.0,
        label_smoothing: Fraction = 0.0,
        evidence: NonNegative = 0.0,
        evidence_sharpness: Positive = 2.0,
    ):
        super().__init__(model, evidence, evidence_sharpness)
        if not teachers:
            raise ValueError("teachers should name trained runs, got none; write teachers: [runs/first, runs/second]")
        self.share, self.temperature, self.label_smoothing = share, temperature, label_smoothing
        self.teachers: list[CaptionModel] = []
        """Trained models, set after the objective is made; a list, so that they are neither trained nor saved with it."""

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        real = batch.targets != PAD  # (B, Q, T)
        logits, maps = _read(self.model, batch, real, self.word_evidence is not None)
        references = functional.cross_entropy(
            logits, batch.targets[real], reduction="sum", label_smoothing=self.label_smoothing
        )
        taught = self._teach(batch, real)
        ours = (logits / self.temperature).log_softmax(-1)
        divergence = functional.kl_div(ours, taught, reduction="sum", log_target=True) * self.temperature**2
        terms = [references / totals.words, divergence / totals.words]
        loss = (1 - self.share) * terms[0] + self.share * terms[1]
        if maps is not None:
            terms.append(self.divergences(maps, batch.targets, batch).sum() / totals.words)
            loss = loss + self.evidence * terms[-1]
        return loss, torch.stack(terms).detach()

    @torch.no_grad()
    def _teach(self, batch: Batch, real: Tensor) -> Tensor:
        """Logarithms (words, V) of the mean of the teachers' probabilities."""
        of_teachers = [(_read(teacher, batch, real)[0] / self.temperature).log_softmax(-1) for teacher in self.teachers]
        return torch.stack(of_teachers).logsumexp(0) - math.log(len(of_teachers))


def _read(model: CaptionModel, batch: Batch, real: Tensor, need_maps: bool = False) -> tuple[Tensor, Tensor | None]:
    """Logits (words, V) of the words that are not padding, in float32 or more; and the maps (B, Q, T, R) of all words, if needed."""
    output, attended = model.decoder(batch.inputs, model.remember(batch.photos), need_maps)
    logits = logits_of_words(model, output, real)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)), attended.weights if need_maps else None
