"""How captions of different lengths are ranked, by the name a config gives it: each divides a log-probability by a number of its own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

LengthRule = Callable[[Tensor, int], Tensor]


def sum_of_log_probs(log_probs: Tensor, length: int) -> Tensor:
    """The caption's log-probability itself."""
    return log_probs


def mean_log_prob(log_probs: Tensor, length: int) -> Tensor:
    """Log-probability per word, the end mark counted as one."""
    return log_probs / length


def gnmt(log_probs: Tensor, length: int) -> Tensor:
    """Divided by ((5 + length) / 6) ** 0.7. Source: Wu et al. 2016 (GNMT), with its alpha at 0.7."""
    return log_probs / ((5 + length) / 6) ** 0.7


LENGTH_RULES: dict[str, LengthRule] = {
    "none": sum_of_log_probs,
    "mean": mean_log_prob,
    "gnmt": gnmt,
}
