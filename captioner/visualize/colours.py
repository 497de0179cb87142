"""Numbers as colours: the one colour scale of every map.

Inferno turned round, by Stéfan van der Walt and Nathaniel Smith (2015, for matplotlib, CC0): lightness falls evenly from orange to
dark purple, so that equal steps look equal, also to colour-blind eyes and in a grey print. Every 17th of its 256 colours is kept;
straight lines between them stay within 7 of 255 of the original. The two ends are left out: on a light photo the yellow would be
the white of no weight at all, and the black would be a shadow.

The photo beneath is so light that even its black is lighter than the first colour: more weight is darker over every photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUND = (165.0, 0.335)
"""Grey of a black pixel of the photo under a map, and how much of the photo's range is left."""

COVER = (0.0, 0.92)
"""How much of a pixel is the map's colour, at weight 0 and at the top; in between it grows as the square root, so that a small
weight has a colour too. The rest is the photo in grey."""

_POINTS = [
    (252, 255, 164), (242, 230, 97), (250, 198, 45), (252, 165, 10), (248, 133, 15), (237, 105, 37), (221, 81, 58), (199, 62, 76),
    (174, 48, 92), (147, 38, 103), (120, 28, 109), (93, 18, 110), (66, 10, 104), (36, 12, 79), (12, 8, 38), (0, 0, 4),
]  # fmt: skip
_LIGHTEST, _DARKEST = 3.5, 12.5  # of the points above


def _table() -> Tensor:
    """(256, 3) uint8."""
    points = torch.tensor(_POINTS, dtype=torch.float64)  # (16, 3)
    position = torch.linspace(_LIGHTEST, _DARKEST, 256, dtype=torch.float64)
    below = position.long().clamp(max=len(points) - 2)
    return torch.lerp(points[below], points[below + 1], (position - below)[:, None]).round().to(torch.uint8)


_TABLE = _table()


def colour(values: Tensor) -> Tensor:
    """(...) from 0 to 1 -> (..., 3) uint8 red, green, blue. Values outside are clamped; NaN is drawn as 0."""
    index = (values.nan_to_num(0.0).clamp(0, 1) * 255).round().long()
    return _TABLE[index.cpu()]


def covered(grey: Tensor, share: Tensor) -> Tensor:
    """The photo in grey (height, width, 1) under the colours of shares (height, width) of the top weight: (height, width, 3).

    A larger weight is also more opaque, so that the photo stays readable where the decoder did not look.
    """
    low, high = COVER
    cover = low + (high - low) * share.nan_to_num(0.0).clamp(0, 1).sqrt()[..., None]
    return torch.lerp(GROUND[0] + GROUND[1] * grey, colour(share).float(), cover)


def hatched(grey: Tensor) -> Tensor:
    """The look of what the network never saw (height, width, 3): faded towards the paper, with slanted lines."""
    height, width, _ = grey.shape
    line = (torch.arange(height)[:, None] + torch.arange(width)) % 8 < 1
    faded = 255 - 0.3 * (255 - grey)
    return torch.where(line[..., None], faded - 60, faded).clamp(min=0).expand(-1, -1, 3)
