"""Ways to weigh, of a list of scores, written from their papers; the threshold is found by halving an interval, without sorting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def softmax(scores: Sequence[Tensor]) -> list[Tensor]:
    """Xu et al. 2015, section 3.1.2."""
    exponents = [torch.exp(score) for score in scores]
    return [exponent / sum(exponents) for exponent in exponents]


def sparsemax(scores: Sequence[Tensor]) -> list[Tensor]:
    """Martins and Astudillo 2016, proposition 1: max(z - tau, 0), and tau = (sum of z over the support - 1) / its size."""
    support = _support([score.item() for score in scores], power=1)
    tau = (sum(scores[index] for index in support) - 1) / len(support)
    return [score - tau if index in support else 0 * score for index, score in enumerate(scores)]


def entmax15(scores: Sequence[Tensor]) -> list[Tensor]:
    """Peters, Niculae and Martins 2019, algorithm 2: max(z / 2 - tau, 0)^2, and tau from mean and variance of z / 2 over the support."""
    halves = [score / 2 for score in scores]
    support = _support([half.item() for half in halves], power=2)
    mean = sum(halves[index] for index in support) / len(support)
    spread = sum((halves[index] - mean) ** 2 for index in support)
    tau = mean - torch.sqrt((1 - spread) / len(support))
    return [(half - tau) ** 2 if index in support else 0 * half for index, half in enumerate(halves)]


def _support(values: list[float], power: int) -> set[int]:
    """The indices above the threshold at which max(value - threshold, 0) ** power sums to 1."""
    low, high = max(values) - 1, max(values)
    for _ in range(200):
        threshold = (low + high) / 2
        total = sum(max(value - threshold, 0) ** power for value in values)
        low, high = (threshold, high) if total > 1 else (low, threshold)
    return {index for index, value in enumerate(values) if value > high}


WEIGH: dict[str, Callable[[Sequence[Tensor]], list[Tensor]]] = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
}
