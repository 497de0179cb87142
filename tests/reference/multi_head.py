"""Multi-head attention of one query over one photo, written from Vaswani et al. 2017, section 3.2.2, one head at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tests.reference.weigh import softmax


def multi_head_attention(
    hidden: Tensor, features: Tensor, mask: Tensor, attention, weigh=softmax
) -> tuple[Tensor, Tensor]:
    """Context (S,) and weights (N, R) of one state (H,) over the regions (R, D) of one photo."""
    share = attention.context_size // attention.heads
    contexts, maps = [], []
    for head in range(attention.heads):
        rows = slice(head * share, (head + 1) * share)
        query = attention.from_query.weight[rows] @ hidden
        real = [region for region in range(len(features)) if mask[region]]
        keys = [attention.to_key.weight[rows] @ features[region] for region in real]
        of_real = dict(zip(real, weigh([query @ key / math.sqrt(share) for key in keys]), strict=True))
        weights = [of_real.get(region, torch.zeros_like(query[0])) for region in range(len(features))]
        values = [attention.to_value.weight[rows] @ features[region] for region in range(len(features))]
        contexts.append(sum(weight * value for weight, value in zip(weights, values, strict=True)))
        maps.append(torch.stack(weights))
    return attention.to_context.weight @ torch.cat(contexts), torch.stack(maps)
