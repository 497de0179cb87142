"""Attention to regions: every score and every kind, by the name a config gives it.

contract.py          what a kind takes and returns; its three steps are score, weigh, sum
scores.py            step 1: compare a query with a region
soft.py              weights for all regions: softmax, sparsemax, 1.5-entmax
hard.py              one region, drawn at random
adaptive.py          a softmax over the regions and a visual sentinel
local.py             a softmax over the regions around one position
multi_head.py        several attentions side by side
none.py              the mean region, as a baseline
on_attention.py      around any kind: attention on attention
replaced_weights.py  around any kind: other weights in place of its own, to measure their effect

To add one: write a class that meets contract.py, then add its line here; the contract tests check it from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from captioner.attention.adaptive import AdaptiveAttention
from captioner.attention.contract import Attended, Attention, Memory, Query, Score, checked
from captioner.attention.hard import HardAttention
from captioner.attention.local import LocalMonotonicAttention, LocalPredictiveAttention
from captioner.attention.multi_head import MultiHeadAttention
from captioner.attention.none import NoAttention
from captioner.attention.scores import AdditiveScore, ConcatScore, DotScore, GeneralScore, ScaledDotScore
from captioner.attention.soft import WEIGH, SoftAttention

if TYPE_CHECKING:
    from captioner.attention.on_attention import AttentionOnAttention
    from captioner.attention.replaced_weights import Change, Replaced, Shuffled, given, uniform

SCORES: dict[str, Callable[..., Score]] = {
    "additive": AdditiveScore,
    "dot": DotScore,
    "general": GeneralScore,
    "concat": ConcatScore,
    "scaled_dot": ScaledDotScore,
}

KINDS: dict[str, Callable[..., Attention]] = {
    "none": NoAttention,
    "soft": SoftAttention,
    "hard": HardAttention,
    "adaptive": AdaptiveAttention,
    "local_monotonic": LocalMonotonicAttention,
    "local_predictive": LocalPredictiveAttention,
    "multi_head": MultiHeadAttention,
}

__all__ = [
    "KINDS",
    "SCORES",
    "WEIGH",
    "Attended",
    "Attention",
    "AttentionOnAttention",
    "Change",
    "Memory",
    "MultiHeadAttention",
    "NoAttention",
    "Query",
    "Replaced",
    "Score",
    "Shuffled",
    "checked",
    "given",
    "uniform",
]


def __getattr__(name: str) -> Any:
    """The attentions that are put around another one, imported on first use."""
    if name == "AttentionOnAttention":
        return import_module("captioner.attention.on_attention").AttentionOnAttention
    if name in ("Change", "Replaced", "Shuffled", "given", "uniform"):
        return getattr(import_module("captioner.attention.replaced_weights"), name)
    raise AttributeError(f"module 'captioner.attention' has no attribute {name!r}")
