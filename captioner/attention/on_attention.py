"""Attention on attention: a gate that decides how much of a context is used.

Shapes: B photos, Q queries, H query size, C the inner attention's context.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from captioner.attention.contract import Attended, Attention, Memory, Query
from captioner.layers.linear import Linear
from captioner.regions import Regions


class AttentionOnAttention(Attention):
    r"""Around any kind: an information vector and a gate, both computed from the query and the kind's context,
    $(W_q^i q + W_v^i \hat v + b^i) \odot \sigma(W_q^g q + W_v^g \hat v + b^g)$.

    Source: Huang et al. 2019, section 3.1. The weights are the inner kind's.

    Args:
        attention: the kind inside.
        query_size: size of the decoder's state (H), and of the context.
    """

    def __init__(self, attention: Attention, query_size: int):
        super().__init__()
        self.attention = attention
        self.needs_cell = attention.needs_cell
        self.context_size = query_size
        self.to_both = Linear(query_size + attention.context_size, 2 * query_size)  # information, then gate

    def remember(self, regions: Regions) -> Memory:
        return self.attention.remember(regions)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        attended = self.attention(query, memory, need_weights)
        both = self.to_both(torch.cat([query.hidden.to(attended.context.dtype), attended.context], -1))
        return replace(attended, context=functional.glu(both, -1))
