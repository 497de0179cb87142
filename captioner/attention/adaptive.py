"""Adaptive attention: a visual sentinel that the decoder can attend to instead of the regions.

Shapes: B photos, Q queries, R regions, H query size, D region feature, A comparison size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captioner.attention.contract import Attended, Attention, Memory, Query
from captioner.attention.scores import AdditiveScore
from captioner.attention.soft import WEIGH, Weigh
from captioner.layers.linear import Linear
from captioner.ranges import Size
from captioner.regions import Regions


class AdaptiveAttention(Attention):
    r"""One softmax over the regions and a visual sentinel, which holds what the language model already knows:
    $s_t = \mathrm{sigmoid}(W_x x_t + W_h h_{t-1}) \odot \tanh(m_t)$, and the context is $\beta_t s_t + \sum_i \alpha_{ti} v_i$.

    Source: Lu et al. 2017, section 2.3. Their $(1 - \beta_t) c_t$ is our sum, because our weights come from the softmax over k + 1
    positions and sum to $1 - \beta_t$. `sentinel` is $\beta_t$.
    Differs: the layer $v_i = \mathrm{ReLU}(W a_i)$ of the paper's section 2.4, which maps regions to the state's size, is part of the
    attention and not of the encoder.

    The decoder needs a memory cell, and its state must attend after it has read the previous word: $m_t$ and $h_t$ belong to that state.

    Args:
        query_size: size of the decoder's state (H), of its memory cell, and of the context.
        region_size: size of one region's feature (D).
        cell_input_size: the width of $x_t$, the last input of the LSTM.
        size: width of the score's hidden layer (A).
        weigh: how scores become weights: `sparsemax` and `entmax15` give some regions weight 0.

    Raises:
        ValueError: the decoder has no LSTM.
    """

    needs_cell = True

    def __init__(
        self, query_size: int, region_size: int, cell_input_size: int, size: Size = 512, weigh: Weigh = "softmax"
    ):
        super().__init__()
        if cell_input_size == 0:
            raise ValueError(
                "adaptive attention needs the memory cell of an LSTM, which this decoder does not have; choose decoder.kind=lstm "
                "with attend: after or top_down, or another kind of attention"
            )
        self.context_size = query_size
        self.to_value = Linear(region_size, query_size)
        self.score, self.weigh = AdditiveScore(query_size, query_size, size), WEIGH[weigh]
        self.from_sentinel = Linear(query_size, size, bias=False)
        self.gate_from_input = Linear(cell_input_size, query_size)
        self.gate_from_hidden = Linear(query_size, query_size, bias=False)

    def remember(self, regions: Regions) -> Memory:
        values = torch.relu(self.to_value(regions.features))  # (B, R, H)
        return Memory.of(regions, self.score.remember(values), values)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        sentinel = self._sentinel(query)  # (B, Q, H)
        queries = self.score.from_query(query.hidden)  # (B, Q, A)
        mixed = torch.tanh(queries + self.from_sentinel(sentinel))
        # Not by the layer, which autocast would make less precise than the regions' scores.
        of_sentinel = (mixed.to(memory.keys.dtype) * self.score.energy.weight).sum(-1, keepdim=True)
        scores = [self.score.compare(queries, memory.keys), of_sentinel]
        mask = torch.cat([memory.mask, memory.mask.new_ones(memory.mask.shape[0], 1)], 1)  # the sentinel is always real
        weights, share = self.weigh(torch.cat(scores, -1), mask[:, None]).split([memory.mask.shape[1], 1], -1)
        context = self.sum(weights, memory)
        context = context + share.to(context.dtype) * sentinel.to(context.dtype)
        return Attended(context, weights, sentinel=share.squeeze(-1))

    def _sentinel(self, query: Query) -> Tensor:
        if query.cell is None or query.previous_hidden is None or query.cell_input is None:
            raise ValueError(
                "adaptive attention needs a memory cell, the previous state and the cell's input, got a query without them; "
                "choose decoder.kind=lstm with attend: after"
            )
        gate = torch.sigmoid(self.gate_from_input(query.cell_input) + self.gate_from_hidden(query.previous_hidden))
        return gate * torch.tanh(query.cell).to(gate.dtype)
