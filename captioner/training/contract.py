"""The contract of objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from captioner.model import CaptionModel

if TYPE_CHECKING:
    from pathlib import Path

    from captioner.data.batches import Batch, CaptionedPhotos
    from captioner.progress import Report
    from captioner.text.vocabulary import Vocabulary
    from captioner.training.distributed import Processes


@dataclass(frozen=True)
class Totals:
    """Counts of one step, over all processes and all parts of an accumulated batch. Losses are divided by these counts."""

    words: int  # of references, with end marks
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
