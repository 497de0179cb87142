"""One optimiser step: forward, backward, clip, step.

Randomness in a step is a function of (seed, step, process), so a checkpoint holds no generator's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, optim
from torch.nn.parallel import DistributedDataParallel

from captioner.data.batches import Batch
from captioner.errors import UserError
from captioner.training.contract import Objective, Totals
from captioner.training.distributed import Processes, number_type
from captioner.training.optimisation import clip_gradients
from captioner.training.plan import Plan


class TrainingStep:
    """Makes one optimiser step on a batch, which arrives in `plan.accumulate` parts."""

    def __init__(self, objective: Objective, optimiser: optim.Optimizer, plan: Plan, processes: Processes):
        self.objective, self.optimiser, self.plan, self.processes = objective, optimiser, plan, processes
        self.distributed = processes.wrap(objective)
        self.device = processes.device
        self.dtype = number_type(plan.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def __call__(self, parts: Iterable[Batch], totals: Totals) -> tuple[Tensor, Tensor]:
        """Change the weights once.

        Returns:
            The objective's terms (len(terms),), this process's share; and the norm of the gradient before clipping, ().
        """
        torch.manual_seed(_seed(self.plan.seed, totals.step, self.processes.rank))
        terms = torch.zeros(len(self.objective.terms), device=self.device)
        for number, part in enumerate(parts, start=1):
            with self._synchronised(last=number == self.plan.accumulate):
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    loss, shares = self._outcome(self.distributed(part.to(self.device), totals))
                self.scaler.scale(loss * self.processes.count).backward()  # DDP averages over processes
            terms += shares
        self.scaler.unscale_(self.optimiser)
        norm = clip_gradients(self.objective.parameters(), self.plan.clip, self.plan.clip_at)
        self.scaler.step(self.optimiser)  # a scaler skips steps whose gradient is not finite
        self.scaler.update()
        self.optimiser.zero_grad()
        return terms, norm

    def _outcome(self, outcome: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """What an objective returned, if it is a loss and a number for each of its terms."""
        objective, parts = self.objective, outcome if isinstance(outcome, (tuple, list)) else [outcome]
        came = [list(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in parts]
        if came != [[], [len(objective.terms)]]:
            raise UserError(
                f"{type(objective).__name__} should return a loss and a tensor with a number for each of its terms "
                f"({', '.join(objective.terms)}), got the shapes {came}; change its forward or its terms"
            )
        return outcome

    def _synchronised(self, last: bool) -> AbstractContextManager:
        """Processes exchange gradients in the last part of a step only."""
        if last or not isinstance(self.distributed, DistributedDataParallel):
            return nullcontext()
        return self.distributed.no_sync()


def _seed(seed: int, step: int, rank: int) -> int:
    """A number that no two steps or processes of a run share, so that their dropout differs."""
    return (seed * 1_000_003 + step) * 4_099 + rank
