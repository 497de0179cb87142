"""Scores of one query (H,) and one region (D,), written from their papers' equations."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def additive(score, hidden: Tensor, region: Tensor) -> Tensor:
    """Bahdanau, Cho and Bengio 2015, appendix A.1.2: v tanh(W h + U r), and the bias that Xu et al. 2015's code has."""
    inner = score.from_query.weight @ hidden + score.from_query.bias + score.from_region.weight @ region
    return score.energy.weight[0] @ torch.tanh(inner)


def dot(score, hidden: Tensor, region: Tensor) -> Tensor:
    """Luong et al. 2015, section 3.1: h r."""
    return sum(left * right for left, right in zip(hidden, region, strict=True))


def general(score, hidden: Tensor, region: Tensor) -> Tensor:
    """Luong et al. 2015, section 3.1: h W r."""
    return hidden @ (score.from_region.weight @ region)


def concat(score, hidden: Tensor, region: Tensor) -> Tensor:
    """Luong et al. 2015, section 3.1: v tanh(W [h; r])."""
    return score.energy.weight[0] @ torch.tanh(score.from_both.weight @ torch.cat([hidden, region]))


def scaled_dot(score, hidden: Tensor, region: Tensor) -> Tensor:
    """Vaswani et al. 2017, section 3.2.1, before the softmax: q k / sqrt(d_k)."""
    query, key = score.from_query.weight @ hidden, score.from_region.weight @ region
    return dot(score, query, key) / math.sqrt(len(key))


EQUATIONS = {"additive": additive, "dot": dot, "general": general, "concat": concat, "scaled_dot": scaled_dot}
