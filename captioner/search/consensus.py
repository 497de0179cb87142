"""How much captions agree with each other, by their n-grams.

Shapes: K captions, T words.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from captioner.text.vocabulary import END

_LONGEST = 4  # words of an n-gram
_AT_ONCE = 2**24  # pairs of words that are compared at the same time


def agreement(captions: Tensor, weights: Tensor) -> Tensor:
    """The similarity (K,) of each caption to the others, whose weights are (K,). Captions (K, T) end where words are not above END."""
    own = [same.sum(-1) for same in _same_ngrams(captions[:, None], captions[:, None])]  # (K, 1, T) each
    norms = [counts.sum(-1).sqrt() for counts in own]  # (K, 1)
    similar = []
    for rows in torch.arange(len(captions)).split(max(1, _AT_ONCE // (captions.numel() * captions.shape[1] + 1))):
        of_lengths = zip(_same_ngrams(captions[rows, None], captions[None]), own, norms, strict=True)
        cosines = [
            _products(same, counts[rows]) / (norm[rows] * norm.T).clamp(min=1) for same, counts, norm in of_lengths
        ]
        similar.append(torch.stack(cosines).mean(0))
    return torch.cat(similar).fill_diagonal_(0).to(weights) @ weights


def _same_ngrams(ours: Tensor, theirs: Tensor) -> list[Tensor]:
    """For n = 1..4: (..., T, T), whether the n words from t on in one of our captions (..., T) are those from u on in one of theirs."""
    both = (ours > END)[..., :, None] & (theirs > END)[..., None, :]
    words = both & (ours[..., :, None] == theirs[..., None, :])
    same = [words]
    for n in range(1, _LONGEST):
        following = functional.pad(words[..., n:, n:], (0, n, 0, n))[..., : words.shape[-2], : words.shape[-1]]
        same.append(same[-1] & following)
    return same


def _products(same: Tensor, own: Tensor) -> Tensor:
    """The clipped products (k, K) of counts of n-grams of k captions and all others, given where they are the same (k, K, T, T).

    `own` (k, 1, T): how often each n-gram of the k captions occurs in its own caption.
    """
    counts = same.sum(-1)  # (k, K, T) how often caption j holds the n-gram of i that begins at t
    return (torch.minimum(own, counts) * counts / own.clamp(min=1)).sum(-1)  # an n-gram that occurs twice is met twice
