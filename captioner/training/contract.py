"""The contract of objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.attention import NoAttention
from captioner.model import CaptionModel
from captioner.regions import Regions

if TYPE_CHECKING:
    from pathlib import Path

    from captioner.data.batches import Batch, CaptionedPhotos
    from captioner.progress import Report
    from captioner.text.vocabulary import Vocabulary
    from captioner.training.distributed import Processes
    from captioner.training.word_evidence import WordEvidence

_LEAST = 1e-12  # weights below it count as this much in a logarithm


@dataclass(frozen=True)
class Totals:
    """Counts of one step, over all processes and all parts of an accumulated batch. Losses are divided by these counts."""

    words: int  # of references, with end tokens
    captions: int  # references
    photos: int
    step: int = 0  # optimiser steps made before


class Objective(nn.Module):
    """A module that contains the model and turns a batch into a loss, so that DDP wraps everything with gradients.

    `terms` names the values that are logged; the first is shown during training.
    """

    model: CaptionModel
    terms: tuple[str, ...]

    def prepare(
        self, photos: CaptionedPhotos, vocabulary: Vocabulary, folder: Path, seed: int, here: Processes, report: Report
    ) -> None:
        """Before training: learn from the training photos what the loss needs, and store it in the run's folder."""

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        """This batch's share of the step's loss; and, detached, its shares of the terms (len(terms),).

        Summed over processes and the parts of an accumulated batch, shares give the values of the whole step.
        """
        raise NotImplementedError


class EvidenceObjective(Objective):
    """An objective whose maps may be taught by the evidence for words in regions; see `word_evidence`.

    Args:
        model: the model to train.
        evidence: weight of the maps' divergence from the evidence; 0 for none.
        evidence_sharpness: factor of the scores that the evidence consists of.

    Raises:
        ValueError: evidence for a model without maps, or whose regions change during training.
    """

    def __init__(self, model: CaptionModel, evidence: float, evidence_sharpness: float):
        super().__init__()
        self.model = model
        self.evidence, self.evidence_sharpness = evidence, evidence_sharpness
        self.word_evidence: WordEvidence | None = None  # learned from the training photos
        if evidence > 0:
            self.check_maps("evidence")
            if not getattr(model.encoder, "frozen", True):
                raise ValueError(
                    "evidence needs a frozen encoder, whose regions stay the same; leave train_from out, or set evidence to 0"
                )

    def check_maps(self, penalty: str) -> None:
        """Raise a ValueError that names a penalty on maps, if the model has none."""
        if any(isinstance(part, NoAttention) for part in self.model.decoder.modules()):
            raise ValueError(
                f"{penalty} needs the weights of attention, which attention.kind=none does not have; set it to 0"
            )

    def prepare(
        self, photos: CaptionedPhotos, vocabulary: Vocabulary, folder: Path, seed: int, here: Processes, report: Report
    ) -> None:
        if self.evidence > 0:
            from captioner.training.word_evidence import evidence_for

            evidence = evidence_for(photos, vocabulary, folder, seed, here, report)
            self.word_evidence = evidence.to(self.model.device)
            self.terms += ("evidence",)

    def divergences(self, weights: Tensor, words: Tensor, batch: Batch) -> Tensor:
        """(B, K, T): the divergence of the maps (B, K, T, R) of words (B, K, T) from the evidence for the words."""
        assert self.word_evidence is not None
        assert isinstance(batch.photos, Regions)
        return self.word_evidence.divergence(weights, words, batch.photos, self.evidence_sharpness)


def map_divergences(weights: Tensor, taught: Tensor) -> Tensor:
    """(...): the Kullback-Leibler divergence of maps (..., R), scaled to sum 1, from taught maps (..., R).

    Where a map is exactly 0, as sparse ones can be, the divergence is constant: it has no gradient that would raise the weight.
    """
    weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
    maps = weights / weights.sum(-1, keepdim=True).clamp(min=_LEAST)
    return functional.kl_div(maps.clamp(min=_LEAST).log(), taught, reduction="none").sum(-1)


def logits_of_words(model: CaptionModel, output: Tensor, real: Tensor) -> Tensor:
    """Logits (words, V) of real words (B, Q, T) only, so that padding never reaches the vocabulary product."""
    words = real.flatten().nonzero().squeeze(1)
    return model.decoder.vocabulary_logits(output.flatten(0, 2).index_select(0, words))
