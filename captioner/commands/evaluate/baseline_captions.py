"""Baselines: captions copied from the training data, which a model should beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captioner import metrics
from captioner.captioner import Captioner
from captioner.features.sources import Source
from captioner.metrics.coco_scores import PhotoId, References
from captioner.progress import Report

_POOL_BATCH = 64


def baseline_captions(
    references: References,
    train: References,
    features: Tensor,
    train_features: Tensor,
    train_references: Sequence[Sequence[str]],
    tokens: str,
) -> dict[str, dict[PhotoId, str]]:
    """The most frequent training caption, and captions of the nearest training photos.

    Args:
        references: of the M photos to be captioned.
        train: references of all training photos.
        features: (M, D), the mean region of each photo.
        train_features: (N, D), the mean region of each readable training photo.
        train_references: of each readable training photo.
        tokens: the tokeniser; captions are compared word by word.
    """
    most_frequent = metrics.most_frequent_caption(train, tokens)
    copied = metrics.neighbours_captions(features, train_features, train_references, tokens)
    return {
        metrics.MOST_FREQUENT: dict.fromkeys(references, most_frequent),
        metrics.NEAREST: dict(zip(references, copied, strict=True)),
    }


@torch.inference_mode()
def mean_regions(captioner: Captioner, source: Source, report: Report, split: str) -> Tensor:
    """(N, D): the mean region of every photo of a source."""
    means = []
    for start in range(0, len(source), _POOL_BATCH):
        batch = source(range(start, min(start + _POOL_BATCH, len(source)))).to(captioner.device)
        means.append(captioner.model.regions(batch).to(dtype=torch.float32).photo().cpu())
        report.neighbours(split, len(means[-1]), len(source))
    return torch.cat(means)
