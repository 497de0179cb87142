"""A baseline that copies a caption of the most similar training photos.

Shapes: N training photos, M photos, D feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.metrics.coco_scores import word_rule

NEIGHBOURS = 20
"""The number of nearest training photos whose captions are considered."""
NEAREST = f"{NEIGHBOURS} nearest photos"
"""The name of this baseline's row."""


def neighbours_captions(
    features: Tensor,
    train_features: Tensor,
    train_references: Sequence[Sequence[str]],
    tokens: str = "simple",
    num_neighbours: int = NEIGHBOURS,
) -> list[str]:
    """For each photo, the most frequent caption among the references of its nearest training photos.

    Captions are compared word by word; the text of the first one is returned untokenised, so that scoring tokenises it once. Photos are
    near if the cosine of their features is large. Ties go to the caption of the nearest photo; if no two captions are equal, this is the
    first caption of the nearest photo.

    Source: Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning".
    Differs: they choose the neighbours' caption that is most similar to the others.

    Args:
        features: (M, D), one vector for each photo, such as the mean of its regions.
        train_features: (N, D).
        train_references: of each training photo.
    """
    split = word_rule(tokens)
    tokenised = [[(tuple(split(reference)), reference) for reference in references] for references in train_references]
    candidates = torch.nn.functional.normalize(train_features.float(), dim=1)
    captions = []
    for chunk in torch.nn.functional.normalize(features.float(), dim=1).split(1024):
        nearest = (chunk @ candidates.T).topk(min(num_neighbours, len(candidates)), dim=1).indices
        captions += [_most_frequent([pair for photo in row for pair in tokenised[photo]]) for row in nearest.tolist()]
    return captions


def _most_frequent(captions: Sequence[tuple[tuple[str, ...], str]]) -> str:
    counts = Counter(words for words, _ in captions if words)  # keeps the order of first occurrence
    if not counts:
        return ""
    most = max(counts, key=counts.__getitem__)
    return next(caption for words, caption in captions if words == most)
