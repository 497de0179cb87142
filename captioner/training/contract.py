"""What an objective gives and takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from captioner.data.batches import Batch
from captioner.model import CaptionModel


@dataclass(frozen=True)
class Totals:
    """What one step holds over all processes and all parts of an accumulated batch; losses are divided by these."""

    words: int  # of references, end marks among them
    captions: int  # references
    photos: int
    step: int = 0  # steps made before


class Objective(nn.Module):
    """A module that holds the model and turns a batch into a loss, so that DDP wraps all there is to differentiate.

    `terms` names what is logged; the first is shown while training runs.
    """

    model: CaptionModel
    terms: tuple[str, ...]

    def forward(self, batch: Batch, totals: Totals) -> tuple[Tensor, Tensor]:
        """This batch's share of the step's loss; and, detached, its shares of the terms (len(terms),).

        Shares add up, over the parts of an accumulated batch and over processes, to the values of the whole.
        """
        raise NotImplementedError
