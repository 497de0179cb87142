"""A training step is forward, backward, clip and step, however the batch is divided."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from captioner.errors import UserError
from captioner.training.contract import Totals
from captioner.training.distributed import Processes
from captioner.training.plan import Plan
from captioner.training.step import TrainingStep

TOTALS = Totals(words=4, captions=4, photos=4)


@dataclass
class Rows:
    """Stands in for a batch."""

    values: torch.Tensor

    def to(self, device):
        return self


class Mean(nn.Module):
    """The loss is the mean over the step's rows of w x, plus noise that stands for dropout."""

    terms = ("loss", "rows")

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.noise = []

    def forward(self, batch, totals):
        self.noise.append(torch.rand(()))
        loss = (batch.values @ self.weight).sum() / totals.photos
        return loss, torch.stack([loss.detach(), torch.tensor(float(len(batch.values)))])


def make_step(**plan):
    objective = Mean()
    optimiser = torch.optim.SGD(objective.parameters(), 0.5)
    return objective, TrainingStep(objective, optimiser, Plan(**plan), Processes(torch.device("cpu")))


ROWS = torch.arange(8.0).view(4, 2)


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_a_step_follows_the_clipped_gradient_however_the_batch_is_cut(accumulate):
    objective, step = make_step(accumulate=accumulate, clip="norm", clip_at=1.0)
    terms, norm = step(map(Rows, ROWS.chunk(accumulate)), TOTALS)
    gradient = ROWS.mean(0)
    torch.testing.assert_close(norm, gradient.norm())
    torch.testing.assert_close(terms, torch.stack([ROWS.mean(0) @ torch.tensor([1.0, -2.0]), torch.tensor(4.0)]))
    wanted = torch.tensor([1.0, -2.0]) - 0.5 * gradient / gradient.norm()
    torch.testing.assert_close(objective.weight.detach(), wanted)
    assert objective.weight.grad is None


@pytest.mark.parametrize("returned", [torch.zeros(()), (torch.zeros(()), torch.zeros(1)), (torch.zeros(3), torch.zeros(2)),
                                      (torch.zeros(()), 0.5), (torch.zeros(()), {"loss": 1.0}), None])  # fmt: skip
def test_what_is_no_loss_with_its_terms_is_named(returned, monkeypatch):
    objective, step = make_step()
    monkeypatch.setattr(objective, "forward", lambda batch, totals: returned)
    with pytest.raises(
        UserError, match=r"Mean should return a loss and a tensor .* for each of its terms \(loss, rows\), got"
    ):
        step([Rows(ROWS)], TOTALS)


def test_what_a_step_draws_follows_from_seed_and_step_alone():
    def draws(seed, number):
        objective, step = make_step(accumulate=2, seed=seed)
        step(map(Rows, ROWS.chunk(2)), Totals(4, 4, 4, number))
        return tuple(map(float, objective.noise))

    assert draws(0, 3) == draws(0, 3)
    assert len({draws(0, 3), draws(0, 4), draws(1, 3)}) == 3
    assert len(set(draws(0, 3))) == 2
