"""A baseline that copies: what people wrote about the training photos that look most alike.

Shapes: N training photos, M photos, D feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.metrics.scores import word_rule

NEIGHBOURS = 20
"""How many of the nearest training photos are asked."""
NEAREST = f"{NEIGHBOURS} nearest photos"
"""The row of this baseline."""


def neighbours_captions(
    features: Tensor,
    train_features: Tensor,
    train_references: Sequence[Sequence[str]],
    tokens: str = "simple",
    num_neighbours: int = NEIGHBOURS,
) -> list[str]:
    """For each photo the caption that stands most often, word for word, among the references of its nearest training photos.

    It is given as it stands there first, not as its words, so that scoring cuts it into words once. Near is a large cosine between
    features. Of captions that stand equally often, the one of the nearest photo; where no two are alike that is the nearest photo's first.
    After Devlin et al. 2015 ("Exploring Nearest Neighbor Approaches for Image Captioning"), who choose among the neighbours' captions by
    their likeness instead.

    Args:
        features: (M, D), one vector a photo, such as the mean of its regions.
        train_features: (N, D).
        train_references: of each training photo.
    """
    split = word_rule(tokens)
    cut = [[(tuple(split(reference)), reference) for reference in references] for references in train_references]
    others = torch.nn.functional.normalize(train_features.float(), dim=1)
    found = []
    for some in torch.nn.functional.normalize(features.float(), dim=1).split(1024):
        nearest = (some @ others.T).topk(min(num_neighbours, len(others)), dim=1).indices
        found += [_most_frequent([caption for photo in row for caption in cut[photo]]) for row in nearest.tolist()]
    return found


def _most_frequent(captions: Sequence[tuple[tuple[str, ...], str]]) -> str:
    counts = Counter(words for words, _ in captions if words)  # keeps the order of first sight
    if not counts:
        return ""
    most = max(counts, key=counts.__getitem__)
    return next(caption for words, caption in captions if words == most)
