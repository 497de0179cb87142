"""Scores, which compare a query with a region. Each returns one unnormalised score per pair.

Shapes: B photos, Q queries, R regions, H query size, D region size, A comparison size.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from captioner.attention.contract import Score
from captioner.layers.additive_energy import additive_energy, energy_keys
from captioner.layers.linear import Linear
from captioner.ranges import Size


class AdditiveScore(Score):
    r"""A network with one hidden layer compares the query with a region: $v^\top \tanh(W h + U r)$.

    Source: Bahdanau, Cho and Bengio 2015, appendix A.1.2; Xu et al. 2015, section 3.1.2, apply it to image regions.
    Differs: the energy has no bias, which the softmax would cancel.

    Args:
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D).
        size: width of the hidden layer (A).
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.from_query = Linear(query_size, size)
        self.from_region = Linear(region_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return energy_keys(self.from_region(features))  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return self.compare(self.from_query(hidden), keys)

    def compare(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Scores (B, Q, R) of states that `from_query` has mapped to (B, Q, A)."""
        return additive_energy(queries, keys, self.energy.weight[0])


class ConcatScore(Score):
    r"""Luong's form of the additive score, with one matrix over query and region together: $v^\top \tanh(W [h; r])$.

    Source: Luong, Pham and Manning 2015, section 3.1, "concat". With W split into $W_h$ and $W_r$, it is the additive score without its
    bias; a test shows this.

    Args:
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D).
        size: width of the hidden layer (A).
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.query_size = query_size
        self.from_both = nn.Linear(query_size + region_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return energy_keys(functional.linear(features, self.from_both.weight[:, self.query_size :]))  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        queries = functional.linear(hidden, self.from_both.weight[:, : self.query_size])
        return additive_energy(queries, keys, self.energy.weight[0])


class DotScore(Score):
    r"""The dot product of query and region: $h^\top r$.

    Source: Luong et al. 2015, section 3.1, "dot".
    Differs: where D is not H, regions are first projected to H by a learned matrix, which makes it the general score. The paper's
    sizes are always equal.

    Args:
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D).
    """

    def __init__(self, query_size: int, region_size: int):
        super().__init__()
        self.from_region = None if query_size == region_size else Linear(region_size, query_size, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return features if self.from_region is None else self.from_region(features)  # (B, R, H)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(hidden, keys)


class GeneralScore(Score):
    r"""The dot product of the query and a learned projection of the region: $h^\top W r$.

    Source: Luong et al. 2015, section 3.1, "general".

    Args:
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D).
    """

    def __init__(self, query_size: int, region_size: int):
        super().__init__()
        self.from_region = Linear(region_size, query_size, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return self.from_region(features)  # (B, R, H)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(hidden, keys)


class ScaledDotScore(Score):
    r"""The product of a query and a key, scaled by the root of their size: $(W_q h)^\top (W_k r) / \sqrt{A}$.

    Source: Vaswani et al. 2017, section 3.2.1; our A is their $d_k$. It has one head; `multi_head` has several.

    Args:
        query_size: size of the decoder's state (H).
        region_size: size of one region's feature (D).
        size: size of query and key (A).
    """

    def __init__(self, query_size: int, region_size: int, size: Size = 512):
        super().__init__()
        self.scale = size**-0.5
        self.from_query = Linear(query_size, size, bias=False)
        self.from_region = Linear(region_size, size, bias=False)

    def remember(self, features: Tensor) -> Tensor:
        return self.from_region(features)  # (B, R, A)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        return _products(self.from_query(hidden) * self.scale, keys)


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    """Products (B, Q, R) of every query (B, Q, A) with every key (B, R, A) of its photo."""
    return queries.to(keys.dtype) @ keys.transpose(1, 2)
