"""Adaptive attention of one query over one photo, written from Lu et al. 2017, section 2.3, one region at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def adaptive_attention(
    query: dict[str, Tensor], features: Tensor, mask: Tensor, attention
) -> tuple[Tensor, Tensor, Tensor]:
    """Context (H,), weights (R,) and the sentinel's share of one state; `query` holds hidden, previous, cell and read."""
    score = attention.score
    gate = torch.sigmoid(
        attention.gate_from_input.weight @ query["read"]
        + attention.gate_from_input.bias
        + attention.gate_from_hidden.weight @ query["previous"]
    )
    sentinel = gate * torch.tanh(query["cell"])
    queried = score.from_query.weight @ query["hidden"] + score.from_query.bias
    values, exponents = [], []
    for region in range(len(features)):
        value = torch.relu(attention.to_value.weight @ features[region] + attention.to_value.bias)
        inner = torch.tanh(score.from_region.weight @ value + queried)
        exponents.append(torch.exp(score.energy.weight[0] @ inner) * mask[region])
        values.append(value)
    inner = torch.tanh(attention.from_sentinel.weight @ sentinel + queried)
    exponents.append(torch.exp(score.energy.weight[0] @ inner))
    beta = exponents[-1] / sum(exponents)  # the last of k + 1
    alone = sum(exponents[:-1])  # the softmax over regions alone
    context = sum(exponent / alone * value for exponent, value in zip(exponents[:-1], values, strict=True))
    context = beta * sentinel + (1 - beta) * context
    return context, torch.stack([exponent / sum(exponents) for exponent in exponents[:-1]]), beta
