"""Local attention of one query over one photo, written from Luong et al. 2015, section 3.2, one region at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.scores import EQUATIONS
from tests.reference.weigh import softmax


def local_monotonic(
    hidden: Tensor, position: int, features: Tensor, mask: Tensor, attention, score: str, weigh=softmax
) -> Tensor:
    """Weights (R,) of local-m: p = t, and a softmax inside the window."""
    centre = min(position, int(mask.sum()) - 1)
    window = [region for region in range(len(features)) if abs(region - centre) <= attention.radius and mask[region]]
    return _align(hidden, features, window, attention, score, weigh)


def local_predictive(
    hidden: Tensor, features: Tensor, mask: Tensor, rows: int, columns: int, attention, score: str, weigh=softmax
) -> Tensor:
    """Weights (R,) of local-p, with one position for each axis; a sequence has one row and one axis."""
    inner = torch.tanh(attention.from_query.weight @ hidden)
    predicted = [torch.sigmoid(axis @ inner) for axis in attention.to_place.weight]
    across, down = predicted[0] * columns, predicted[1] * rows
    sigma = attention.radius / 2
    window, bells = [], {}
    for region in range(len(features)):
        column, row = region % columns + 0.5, region // columns + 0.5
        bells[region] = torch.exp(-((column - across) ** 2) / (2 * sigma**2))
        inside = abs(column - across) <= attention.radius
        if rows > 1:
            bells[region] = bells[region] * torch.exp(-((row - down) ** 2) / (2 * sigma**2))
            inside = inside and abs(row - down) <= attention.radius
        if inside and mask[region]:
            window.append(region)
    weights = _align(hidden, features, window, attention, score, weigh)
    return torch.stack([weights[region] * bells[region] for region in range(len(features))])


def _align(hidden: Tensor, features: Tensor, window: list[int], attention, score: str, weigh) -> Tensor:
    """Weights (R,): those inside the window, and 0 elsewhere."""
    scores = [EQUATIONS[score](attention.score, hidden, features[region]) for region in window]
    weights = dict(zip(window, weigh(scores), strict=True)) if window else {}
    zero = torch.zeros((), dtype=features.dtype)
    return torch.stack([weights.get(region, zero) for region in range(len(features))])
