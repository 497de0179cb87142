"""Multi-head attention: several attentions side by side, each with its own map.

Shapes: B photos, Q queries, R regions, H query size, D region feature, N heads, S size of all heads together.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from captioner.attention.contract import Attended, Attention, Memory, Query
from captioner.attention.soft import WEIGH, Weigh, masked_softmax
from captioner.layers.linear import Linear
from captioner.ranges import Size
from captioner.regions import Regions


class MultiHeadAttention(Attention):
    r"""Several attentions side by side, the heads, each with a scaled dot product as its score:
    $\mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_N) W^O$ with
    $\mathrm{head}_n = \mathrm{softmax}(h W^Q_n (r W^K_n)^\top / \sqrt{S / N}) \, r W^V_n$.

    Source: Vaswani et al. 2017, section 3.2.2; our S / N is their $d_k = d_v$.
    `head_weights` holds every head's map, `weights` is their mean. The fused kernel computes the same context of a softmax without weights.

    Args:
        query_size: size of the query (H).
        region_size: size of one region's feature (D).
        heads: number of heads (N).
        size: size of all heads' queries together, and of the context (S); a multiple of `heads`.
        weigh: how scores become weights: `sparsemax` and `entmax15` give some regions weight 0.
    """

    def __init__(self, query_size: int, region_size: int, heads: Size = 8, size: Size = 512, weigh: Weigh = "softmax"):
        super().__init__()
        if size % heads:
            raise ValueError(f"size must be a multiple of heads, got {size} and {heads}; each head gets an equal share")
        self.heads, self.context_size, self.weigh = heads, size, WEIGH[weigh]
        self.from_query = Linear(query_size, size, bias=False)
        self.to_key = Linear(region_size, size, bias=False)
        self.to_value = Linear(region_size, size, bias=False)
        self.to_context = Linear(size, size, bias=False)

    def remember(self, regions: Regions) -> Memory:
        return Memory.of(regions, self.to_key(regions.features), self.to_value(regions.features))

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        queries = self.from_query(query.hidden)
        context, weights = self.attend(queries, memory.keys, memory.values, memory.mask[:, None, None], need_weights)
        if weights is None:
            return Attended(context)
        return Attended(context, weights.mean(1), weights.transpose(1, 2))

    def sum(self, weights: Tensor, memory: Memory) -> Tensor:
        values = self._split(memory.values)  # (B, N, R, S / N)
        return self._merge(weights.transpose(1, 2).to(values.dtype) @ values)

    def attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Contexts (B, Q, S) of queries (B, Q, S) over keys and values (B, R, S), and weights (B, N, Q, R) if they are needed.

        `mask` broadcasts to (B, N, Q, R); True: the query may attend to the key.
        """
        queries, keys, values = (self._split(tensor) for tensor in (queries.to(keys.dtype), keys, values))
        plain = need_weights or self.weigh is not masked_softmax or torch.compiler.is_compiling()
        if not plain:
            return self._merge(_fused(queries, keys, values, mask)), None
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(2, 3)
        weights = self.weigh(scores, mask)
        return self._merge(weights.to(values.dtype) @ values), weights

    def _split(self, tensor: Tensor) -> Tensor:
        """(B, *, S) to (B, N, *, S / N)."""
        return tensor.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _merge(self, context: Tensor) -> Tensor:
        """The heads' contexts (B, N, Q, S / N) to one context (B, Q, S)."""
        return self.to_context(torch.flatten(context.transpose(1, 2), 2))


def _fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """The fused kernel. On a CPU it runs in at least float32: bfloat16 is slower there, the backward pass several times."""
    if keys.device.type != "cpu":
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    dtype = torch.promote_types(values.dtype, torch.float32)
    with torch.autocast("cpu", enabled=False):
        context = functional.scaled_dot_product_attention(
            queries.to(dtype), keys.to(dtype), values.to(dtype), attn_mask=mask
        )
    return context.to(values.dtype)
