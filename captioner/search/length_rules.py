"""Length rules, which rank captions of different lengths, by the name a config gives them.

Each rule divides log-probabilities by a function of the length.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

LengthRule = Callable[[Tensor, int], Tensor]


def sum_of_log_probs(log_probs: Tensor, length: int) -> Tensor:
    """The caption's log-probability itself."""
    return log_probs


def mean_log_prob(log_probs: Tensor, length: int) -> Tensor:
    """Log-probability per word, with the end token counted as a word."""
    return log_probs / length


def gnmt(log_probs: Tensor, length: int) -> Tensor:
    """Log-probability divided by ((5 + length) / 6) ** 0.7. Source: Wu et al. 2016 (GNMT), with alpha = 0.7."""
    return log_probs / ((5 + length) / 6) ** 0.7


LENGTH_RULES: dict[str, LengthRule] = {
    "none": sum_of_log_probs,
    "mean": mean_log_prob,
    "gnmt": gnmt,
}
