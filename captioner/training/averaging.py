"""A running average of the weights. It is validated and kept as best, since it varies less between epochs than the weights do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """An exponential moving average of a model's trainable weights; with decay 0, the weights themselves.

    Source: Polyak and Juditsky 1992 average all steps; the exponential form forgets early ones. The decay at step t is at most
    (1 + t) / (10 + t), so that the first weights are forgotten too. Buffers, such as batch-norm statistics, are not averaged.

    Args:
        model: the model with the weights.
        decay: the share of the average that is kept at each step, 0 to 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = (
            {name: weight for name, weight in model.named_parameters() if weight.requires_grad} if decay else {}
        )
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after step `step` to the average."""
        if self.weights:
            average = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
            average(list(self.averages.values()), [weight.detach() for weight in self.weights.values()], None)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self.weights.items():
            kept = weight.detach().clone()
            weight.copy_(self.averages[name])
            self.averages[name] = kept

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the averages of a checkpoint; without any, start from the weights that the model has now."""
        for name, average in self.averages.items():
            average.copy_(tensors[name] if tensors else self.weights[name])
