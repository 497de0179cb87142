"""Numbers as colours: the one colour scale of every map.

Inferno, by Stéfan van der Walt and Nathaniel Smith (2015, for matplotlib, CC0): lightness rises evenly from black to
pale yellow, so that equal steps look equal, also to colour-blind eyes and in a grey print. Every 17th of its 256
colours is kept; straight lines between them stay within 7 of 255 of the original.
"""

from __future__ import annotations

import torch
from torch import Tensor

COVER = (0.35, 0.85)
"""How much of a pixel is the map's colour, at weight 0 and at the top; the rest is the photo in grey."""

_POINTS = [
    (0, 0, 4), (12, 8, 38), (36, 12, 79), (66, 10, 104), (93, 18, 110), (120, 28, 109), (147, 38, 103), (174, 48, 92),
    (199, 62, 76), (221, 81, 58), (237, 105, 37), (248, 133, 15), (252, 165, 10), (250, 198, 45), (242, 230, 97),
    (252, 255, 164),
]  # fmt: skip


def _table() -> Tensor:
    """(256, 3) uint8."""
    points = torch.tensor(_POINTS, dtype=torch.float64)  # (16, 3)
    position = torch.arange(256, dtype=torch.float64) / 17
    below = position.long().clamp(max=len(points) - 2)
    return torch.lerp(points[below], points[below + 1], (position - below)[:, None]).round().to(torch.uint8)


_TABLE = _table()


def colour(values: Tensor) -> Tensor:
    """(...) from 0 to 1 -> (..., 3) uint8 red, green, blue. Values outside are clamped; NaN is drawn as 0."""
    index = (values.nan_to_num(0.0).clamp(0, 1) * 255).round().long()
    return _TABLE[index.cpu()]
