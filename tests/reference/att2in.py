"""Att2in and Att2all written from their equations with loops only. Rennie et al. 2017, section 2."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.show_attend_tell import additive_soft_attention


def read_caption(decoder, features: Tensor, mask: Tensor, words: list[int], context_to: str) -> tuple[Tensor, Tensor]:
    """Outputs (T, O) and weights (T, R) of one caption on one photo, for a decoder without dropout."""
    mean = features[mask].mean(0)
    hidden = torch.tanh(decoder.to_hidden.weight @ mean + decoder.to_hidden.bias)
    cell = torch.tanh(decoder.to_cell.weight @ mean + decoder.to_cell.bias)
    size, outputs, all_weights = len(hidden), [], []
    for word in words:
        context, weights = additive_soft_attention(hidden, features, mask, decoder.attention)
        sums = decoder.from_word.weight @ decoder.embedding.weight[word] + decoder.from_word.bias
        sums = sums + decoder.from_hidden.weight @ hidden
        from_context = decoder.from_photo.weight @ context
        if context_to == "candidate":
            from_context = torch.cat([torch.zeros(3 * size, dtype=context.dtype), from_context])
        sums = sums + from_context
        input_gate, forget_gate, output_gate = (
            torch.sigmoid(sums[part * size : (part + 1) * size]) for part in range(3)
        )
        candidate = torch.maximum(sums[3 * size : 4 * size], sums[4 * size :])
        cell = forget_gate * cell + input_gate * candidate
        hidden = output_gate * torch.tanh(cell)
        outputs.append(hidden)
        all_weights.append(weights)
    return torch.stack(outputs), torch.stack(all_weights)
