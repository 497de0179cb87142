"""How much captions agree with each other, by their n-grams.

Shapes: K captions, T words.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from captioner.text.vocabulary import END

_LONGEST = 4  # words of an n-gram


def agreement(captions: Tensor, weights: Tensor) -> Tensor:
    """The similarity (K,) of each caption to the others, whose weights are (K,). Captions (K, T) end where words are not above END."""
    similar = torch.stack([_cosines(same) for same in _same_ngrams(captions)]).mean(0)
    return similar.fill_diagonal_(0).to(weights) @ weights


def _same_ngrams(captions: Tensor) -> list[Tensor]:
    """For n = 1..4: (K, K, T, T), whether the n words from t on in caption i are those from u on in caption j."""
    written = captions > END
    both = written[:, None, :, None] & written[None, :, None, :]
    words = both & (captions[:, None, :, None] == captions[None, :, None, :])
    same = [words]
    for n in range(1, _LONGEST):
        following = functional.pad(words[..., n:, n:], (0, n, 0, n))[..., : words.shape[-2], : words.shape[-1]]
        same.append(same[-1] & following)
    return same


def _cosines(same: Tensor) -> Tensor:
    """The clipped cosine (K, K) of counts of n-grams, given where they are the same (K, K, T, T)."""
    counts = same.sum(-1)  # (K, K, T) how often caption j holds the n-gram of i that begins at t
    own = counts.diagonal().T[:, None]  # (K, 1, T)
    clipped = torch.minimum(own, counts) * counts / own.clamp(min=1)  # an n-gram that occurs twice is met twice
    norms = own.sum(-1).sqrt()  # (K, 1)
    return clipped.sum(-1) / (norms * norms.T).clamp(min=1)
