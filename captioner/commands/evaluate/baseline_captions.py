"""Captions without a captioner, which every score should beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captioner import metrics
from captioner.captioner import Captioner
from captioner.features.sources import Source
from captioner.metrics.scores import PhotoId, References
from captioner.progress import Report

_POOL_BATCH = 64


def baselines(
    references: References,
    train: References,
    features: Tensor,
    seen_features: Tensor,
    seen: Sequence[Sequence[str]],
    tokens: str,
) -> dict[str, dict[PhotoId, str]]:
    """The most frequent caption of training, and what training says about the photos that look most alike.

    Args:
        references: of the photos to be captioned, M of them.
        train: captions of all training photos.
        features: mean regions of the photos (M, D).
        seen_features: of the training photos that can be looked at (N, D).
        seen: captions of those, N times.
        tokens: what cuts captions into words that are compared.
    """
    most_frequent = metrics.most_frequent_caption(train, tokens)
    copied = metrics.neighbours_captions(features, seen_features, seen, tokens)
    return {
        metrics.MOST_FREQUENT: dict.fromkeys(references, most_frequent),
        metrics.NEAREST: dict(zip(references, copied, strict=True)),
    }


@torch.inference_mode()
def pool(captioner: Captioner, source: Source, report: Report, split: str) -> Tensor:
    """(N, D): the mean region of every photo of a source."""
    means = []
    for start in range(0, len(source), _POOL_BATCH):
        batch = source(range(start, min(start + _POOL_BATCH, len(source)))).to(captioner.device)
        means.append(captioner.model.regions(batch).to(dtype=torch.float32).mean().cpu())
        report.neighbours(split, len(means[-1]), len(source))
    return torch.cat(means)
