"""Optimisers, learning-rate schedules and gradient clipping, by their names in a config."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn, optim

from captioner.errors import UserError
from captioner.ranges import Count, Fraction, NonNegative, Positive, Probability, Size


def adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: Positive = 4e-4,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    weight_decay: NonNegative = 0.0,
) -> optim.Optimizer:
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient.

    Args:
        parameters: what is trained.
        learning_rate: step size, before the schedule.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        weight_decay: weight of the L2 penalty.
    """
    return optim.Adam(parameters, learning_rate, (beta1, beta2), weight_decay=weight_decay, fused=True)


def adamw(
    parameters: Iterable[nn.Parameter],
    learning_rate: Positive = 4e-4,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    weight_decay: NonNegative = 0.01,
) -> optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); weight decay is decoupled from the gradient.

    Args:
        parameters: what is trained.
        learning_rate: step size, before the schedule.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        weight_decay: weight decay, decoupled from the gradient.
    """
    return optim.AdamW(parameters, learning_rate, (beta1, beta2), weight_decay=weight_decay, fused=True)


OPTIMISERS: dict[str, Callable[..., optim.Optimizer]] = {"adam": adam, "adamw": adamw}


@dataclass
class Constant:
    """A constant learning rate, after a linear warm-up.

    Args:
        warm_up: steps over which the rate rises from nearly 0.
    """

    warm_up: Count = 0

    def factor(self, step: int, epoch: float, num_epochs: int) -> float:
        """The factor of the learning rate at a step, counted from 0, after so many of the epochs, fractions included. Warm-up counts
        steps, everything else epochs, so that a run may go on with larger or smaller batches.
        """
        return min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0

    def after_validation(self, score: float) -> None:
        """Receive a validation score; higher is better."""

    def state(self) -> dict[str, float]:
        """The state that a checkpoint saves."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


@dataclass
class StepDecay(Constant):
    """The learning rate is multiplied by `by` after every `every` epochs.

    Args:
        every: epochs between reductions.
        by: factor of each reduction.
    """

    every: Size = 3
    by: Probability = 0.8

    def factor(self, step: int, epoch: float, num_epochs: int) -> float:
        return super().factor(step, epoch, num_epochs) * self.by ** (int(epoch) // self.every)


@dataclass
class Cosine(Constant):
    """The learning rate follows half a cosine, from 1 to `last`, over the training run.

    Args:
        last: factor of the learning rate at the end of the training run.
    """

    last: Probability = 0.0

    def factor(self, step: int, epoch: float, num_epochs: int) -> float:
        warm = epoch * self.warm_up / step if step else 0.0  # epochs of warm-up
        done = (epoch - warm) / (num_epochs - warm) if warm < num_epochs else 0.0
        wave = 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))
        return super().factor(step, epoch, num_epochs) * (self.last + (1 - self.last) * wave)


@dataclass
class Plateau(Constant):
    """The learning rate is multiplied by `by` after `patience` validations in a row without a better score.

    Args:
        patience: validations without a better score.
        by: factor of each reduction.
    """

    patience: Size = 3
    by: Probability = 0.8
    best: float = field(default=-math.inf, init=False)
    waited: int = field(default=0, init=False)
    reduced: int = field(default=0, init=False)

    def factor(self, step: int, epoch: float, num_epochs: int) -> float:
        return super().factor(step, epoch, num_epochs) * self.by**self.reduced

    def after_validation(self, score: float) -> None:
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.waited, self.reduced = 0, self.reduced + 1

    def state(self) -> dict[str, float]:
        best = {"best": self.best} if self.best > -math.inf else {}  # JSON has no infinity
        return {**best, "waited": self.waited, "reduced": self.reduced}


SCHEDULES: dict[str, Callable[..., Constant]] = {
    "constant": Constant,
    "step": StepDecay,
    "cosine": Cosine,
    "plateau": Plateau,
}


def scale_learning_rates(optimiser: optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` times the one that it was made with."""
    for group in optimiser.param_groups:
        group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def check_memory(model: nn.Module) -> None:
    """Refuse a model whose gradients and moments do not fit into the memory that its weights leave. Linux would promise it, and kill
    this process later."""
    from captioner.layers.allocation import free_memory

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    needed, free = 3 * sum(parameter.nbytes for parameter in trained) / 2**30, free_memory() / 2**30
    if trained and trained[0].device.type == "cpu" and needed > free:
        raise UserError(
            f"training needs {needed:,.1f} GiB of memory for gradients and the optimiser, got {free:,.1f} GiB free; "
            "make the sizes of the parts smaller"
        )


Clipping = Literal["none", "norm", "value"]


def clip_gradients(parameters: Iterable[nn.Parameter], kind: Clipping, at: float) -> Tensor:
    """Clip gradients in place; returns their norm before clipping."""
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if kind == "norm":
        nn.utils.clip_grads_with_norm_(parameters, at, norm)
    elif kind == "value":
        nn.utils.clip_grad_value_(parameters, at)
    return norm
