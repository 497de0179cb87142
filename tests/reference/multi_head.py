"""Multi-head attention of one query over one photo, written from Vaswani et al. 2017, section 3.2.2, one head at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def multi_head_attention(hidden: Tensor, features: Tensor, mask: Tensor, attention) -> tuple[Tensor, Tensor]:
    """Context (S,) and weights (N, R) of one state (H,) over the regions (R, D) of one photo."""
    share = attention.context_size // attention.heads
    contexts, maps = [], []
    for head in range(attention.heads):
        rows = slice(head * share, (head + 1) * share)
        query = attention.from_query.weight[rows] @ hidden
        exponents = []
        for region in range(len(features)):
            key = attention.to_key.weight[rows] @ features[region]
            exponents.append(torch.exp(query @ key / math.sqrt(share)) if mask[region] else torch.zeros_like(query[0]))
        weights = [exponent / sum(exponents) for exponent in exponents]
        values = [attention.to_value.weight[rows] @ features[region] for region in range(len(features))]
        contexts.append(sum(weight * value for weight, value in zip(weights, values, strict=True)))
        maps.append(torch.stack(weights))
    return attention.to_context.weight @ torch.cat(contexts), torch.stack(maps)
