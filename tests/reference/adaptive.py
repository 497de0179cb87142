"""Adaptive attention of one query over one photo, written from Lu et al. 2017, section 2.3, one region at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.weigh import softmax


def adaptive_attention(
    query: dict[str, Tensor], features: Tensor, mask: Tensor, attention, weigh=softmax
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
    real = [region for region in range(len(features)) if mask[region]]
    values = [torch.relu(attention.to_value.weight @ features[region] + attention.to_value.bias) for region in real]
    inner = [torch.tanh(score.from_region.weight @ value + queried) for value in values]
    inner.append(torch.tanh(attention.from_sentinel.weight @ sentinel + queried))
    scores = [score.energy.weight[0] @ one for one in inner]
    *alphas, beta = weigh(scores)  # the last of k + 1
    if weigh is softmax:  # the paper's form: a softmax over the regions alone
        context = sum(alpha * value for alpha, value in zip(softmax(scores[:-1]), values, strict=True)) * (1 - beta)
    else:
        context = sum(alpha * value for alpha, value in zip(alphas, values, strict=True))
    of_real = dict(zip(real, alphas, strict=True))
    weights = torch.stack([of_real.get(region, torch.zeros_like(beta)) for region in range(len(features))])
    return context + beta * sentinel, weights, beta
