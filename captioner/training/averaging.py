"""A running average of the weights, which is what is validated and kept: it moves less from epoch to epoch than the weights do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """An exponential moving average of a model's trainable weights; with decay 0, the weights themselves.

    Source: Polyak and Juditsky 1992 average all steps; the exponential form forgets the early ones. The decay of step t is at most
    (1 + t) / (10 + t), so that a beginning is forgotten too. Buffers, such as a batch norm's statistics, are not averaged.

    Args:
        model: whose weights.
        decay: what is kept of the average at each step, 0 to 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: one for name, one in model.named_parameters() if one.requires_grad} if decay else {}
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step`."""
        if self.weights:
            average = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
            average(list(self.averages.values()), [weight.detach() for weight in self.weights.values()], None)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model's weights are the averages."""
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
        """Averages as an earlier start left them."""
        for name, average in self.averages.items():
            average.copy_(tensors[name])
