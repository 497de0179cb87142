"""Ways to compare a query with a region. Each gives one unnormalised score per pair.

Shapes: B photos, Q queries, R regions, H query size, D region size, A comparison size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from captioner.attention.contract import Score
from captioner.loops import LoopLinear, Workspace, workspace
from captioner.ranges import Size

_CACHE = 2**22  # bytes of a processor's own cache, about


class AdditiveScore(Score):
    r"""A one-hidden-layer network compares the two: $v^\top \tanh(W h + U r)$.

    Source: Bahdanau, Cho and Bengio 2015, appendix A.1.2; Xu et al. 2015, section 3.1.2, apply it to image regions.
    Differs: the energy has no bias, which the softmax would cancel.

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature.
        size: A, the width of the hidden layer.
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.from_query = LoopLinear(query_size, size)
        self.from_region = nn.Linear(region_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return _for_tanh(self.from_region(features))  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return self.compare(self.from_query(hidden), keys)

    def compare(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Scores (B, Q, R) of what `from_query` has made of the states, (B, Q, A)."""
        return _energy(queries, keys, self.energy)


class ConcatScore(Score):
    r"""Luong's form of the additive score, one matrix over both: $v^\top \tanh(W [h; r])$.

    Source: Luong, Pham and Manning 2015, section 3.1, "concat". Cut into its two halves, $W h = W_h h$ and $W_r r$, it is the additive
    score without its bias; a test shows it.

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature.
        size: A, the width of the hidden layer.
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.query_size = query_size
        self.from_both = nn.Linear(query_size + region_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return _for_tanh(functional.linear(features, self.from_both.weight[:, self.query_size :]))  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _energy(functional.linear(hidden, self.from_both.weight[:, : self.query_size]), keys, self.energy)


class DotScore(Score):
    r"""The plain product: $h^\top r$.

    Source: Luong et al. 2015, section 3.1, "dot".

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature; the same as H.

    Raises:
        ValueError: the sizes differ.
    """

    def __init__(self, query_size: int, region_size: int):
        super().__init__()
        if query_size != region_size:
            raise ValueError(
                f"dot score needs query_size == region_size, got {query_size} and {region_size}; "
                "make them equal, or choose score: general, which learns a map from one to the other"
            )

    def remember(self, features: Tensor) -> Tensor:
        return features

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(hidden, keys)


class GeneralScore(Score):
    r"""A product through a learned matrix: $h^\top W r$.

    Source: Luong et al. 2015, section 3.1, "general".

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature.
    """

    def __init__(self, query_size: int, region_size: int):
        super().__init__()
        self.from_region = nn.Linear(region_size, query_size, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return self.from_region(features)  # (B, R, H)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(hidden, keys)


class ScaledDotScore(Score):
    r"""Query and key of one size, and their product kept from growing with it: $(W_q h)^\top (W_k r) / \sqrt{A}$.

    Source: Vaswani et al. 2017, section 3.2.1; our A is their $d_k$. One head: `multi_head` has several.

    Args:
        query_size: H, the size of the decoder's state.
        region_size: D, the size of one region's feature.
        size: A, the size of query and key.
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.scale = size**-0.5
        self.from_query = LoopLinear(query_size, size, bias=False)
        self.from_region = nn.Linear(region_size, size, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return self.from_region(features)  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(self.from_query(hidden) * self.scale, keys)


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    """(B, Q, R): every query (B, Q, A) with every key (B, R, A) of its photo."""
    return queries.to(keys.dtype) @ keys.transpose(1, 2)


def _energy(queries: Tensor, keys: Tensor, energy: nn.Linear) -> Tensor:
    with torch.autocast(keys.device.type, enabled=False):
        return _AdditiveEnergy.apply(queries.to(keys.dtype), keys, energy.weight[0], workspace())


def _for_tanh(keys: Tensor) -> Tensor:
    """Keys in the precision in which tanh is fast: a CPU's is slower in bfloat16."""
    return keys.float() if keys.dtype == torch.bfloat16 and keys.device.type == "cpu" else keys


class _AdditiveEnergy(torch.autograd.Function):
    """`tanh(queries[:, :, None] + keys[:, None]) @ energy`, which keeps no (B, Q, R, A) from one word to the next.

    The backward makes u = tanh(...) again, which is cheaper than reading it back from memory. With g the scores' gradient, s = 1 - u^2
    the slope of tanh and v the energy, the gradients are: energy, the sum of g u; queries, v times the sum over R of g s; keys, v
    times the sum over Q of g s.
    """

    @staticmethod
    def forward(ctx, queries: Tensor, keys: Tensor, energy: Tensor, workspace: Workspace) -> Tensor:
        ctx.save_for_backward(queries, keys, energy)
        ctx.workspace = workspace
        weight, scores = energy.to(keys.dtype), keys.new_empty(*queries.shape[:2], keys.shape[1])  # (B, Q, R)
        for some_queries, some_keys, some_scores in _in_stretches(queries, keys, scores):
            _dot(_mixed(some_queries, some_keys, workspace), weight, some_scores)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        queries, keys, energy = ctx.saved_tensors
        to_queries, to_keys, to_energy = torch.empty_like(queries), torch.empty_like(keys), torch.zeros_like(energy)
        stretches = _in_stretches(queries, keys, gradient, to_queries, to_keys)
        for some_queries, some_keys, scores, some_to_queries, some_to_keys in stretches:
            mixed = _mixed(some_queries, some_keys, ctx.workspace)
            to_energy += torch.bmm(scores.flatten(0, 1)[:, None], mixed.flatten(0, 1)).sum((0, 1))
            slope = torch.addcmul(mixed.new_ones(()), mixed, mixed, value=-1, out=mixed)
            torch.matmul(scores[:, :, None], slope, out=some_to_queries[:, :, None])
            torch.sum(slope.mul_(scores[..., None]), 1, out=some_to_keys)
        weight = energy.to(keys.dtype)
        return to_queries.mul_(weight), to_keys.mul_(weight), to_energy, None


def _in_stretches(queries: Tensor, keys: Tensor, *more: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """On a CPU, as many photos at once as leave the work in its cache; elsewhere all of them."""
    size = queries.shape[1] * keys.shape[1] * keys.shape[2] * keys.element_size()
    stretch = max(1, _CACHE // size) if keys.device.type == "cpu" else len(keys)
    return zip(*(tensor.split(stretch) for tensor in (queries, keys, *more)), strict=True)


def _mixed(queries: Tensor, keys: Tensor, workspace: Workspace) -> Tensor:
    """The tanh of every query with every key. A CPU takes it as 2 sigmoid(2x) - 1, exact to 2e-7: its tanh is 5 times as slow."""
    memory = workspace.take((*queries.shape[:2], *keys.shape[1:]), keys)  # (B, Q, R, A)
    queries, keys = queries[:, :, None], keys[:, None]
    if keys.device.type != "cpu":
        return torch.add(queries, keys, out=memory).tanh_()
    torch.add(2 * queries, keys, alpha=2, out=memory).sigmoid_()
    return torch.add(memory.new_tensor(-1), memory, alpha=2, out=memory)


def _dot(mixed: Tensor, weight: Tensor, scores: Tensor) -> None:
    """Write mixed (B, Q, R, A) times weight (A,) to scores (B, Q, R).

    On a CPU, overwriting `mixed`: a library's product of matrix and vector may share the rows among cores otherwise than the operations
    before and after it, and each core then waits for what lies in the other's cache.
    """
    if mixed.device.type == "cpu":
        torch.sum(mixed.mul_(weight), -1, out=scores)
    else:
        torch.matmul(mixed, weight, out=scores)
