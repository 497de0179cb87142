"""Show, Attend and Tell written from its equations with loops only, one photo, one caption and one word at a time.

Slow and obvious, to compare with. Xu et al. 2015, sections 3.1.2 and 4.2; Lu et al. 2017, section 2.2 for `attend="after"`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def additive_soft_attention(hidden: Tensor, features: Tensor, mask: Tensor, attention) -> tuple[Tensor, Tensor]:
    """Context (D,) and weights (R,) of one state (H,) over the regions (R, D) of one photo."""
    score = attention.score
    scores = []
    for region in range(len(features)):
        if mask[region]:
            inner = (
                score.from_query.weight @ hidden + score.from_query.bias + score.from_region.weight @ features[region]
            )
            scores.append(score.energy.weight[0] @ torch.tanh(inner))
    exponents = [torch.exp(score - max(scores)) for score in scores]
    total = sum(exponents)
    real = iter(exponents)
    weights = torch.stack(
        [next(real) / total if mask[region] else torch.zeros_like(total) for region in range(len(features))]
    )
    context = sum(weights[region] * features[region] for region in range(len(features)))
    return context, weights


def read_caption(decoder, features: Tensor, mask: Tensor, words: list[int]) -> tuple[Tensor, Tensor]:
    """Outputs (T, O) and weights (T, R) of one caption on one photo, for a decoder without dropout."""
    mean = sum(features[region] for region in range(len(features)) if mask[region]) / mask.sum()
    hidden = torch.tanh(decoder.to_hidden.weight @ mean + decoder.to_hidden.bias)
    cell = torch.tanh(decoder.to_cell.weight @ mean + decoder.to_cell.bias)
    outputs, all_weights = [], []
    for word in words:
        vector = decoder.embedding.weight[word]
        if decoder.attend == "before":
            context, weights = _gated_attention(decoder, hidden, features, mask)
            hidden, cell = _lstm(decoder, vector, context, hidden, cell)
        else:
            hidden, cell = _lstm(decoder, vector, mean, hidden, cell)
            context, weights = _gated_attention(decoder, hidden, features, mask)
        outputs.append(_output(decoder, vector, hidden, context))
        all_weights.append(weights)
    return torch.stack(outputs), torch.stack(all_weights)


def _gated_attention(decoder, hidden: Tensor, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    context, weights = additive_soft_attention(hidden, features, mask, decoder.attention)
    if decoder.gate is not None:
        context = torch.sigmoid(decoder.gate.weight @ hidden + decoder.gate.bias) * context
    return context, weights


def _lstm(decoder, vector: Tensor, photo: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    gates = decoder.from_word.weight @ vector + decoder.from_word.bias
    gates = gates + decoder.from_photo.weight @ photo + decoder.from_hidden.weight @ hidden
    size = len(hidden)
    input_gate, forget_gate, output_gate = (torch.sigmoid(gates[part * size : (part + 1) * size]) for part in range(3))
    cell = forget_gate * cell + input_gate * torch.tanh(gates[3 * size :])
    return output_gate * torch.tanh(cell), cell


def _output(decoder, vector: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
    if decoder.output == "state":
        return hidden
    from_hidden = decoder.hidden_to_output.weight @ hidden + decoder.hidden_to_output.bias
    return torch.tanh(vector + from_hidden + decoder.context_to_output.weight @ context)
