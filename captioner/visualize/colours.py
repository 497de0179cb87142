"""The colours of maps in the styles `cells` and `ratio`, over the photo in grey.

The scale of `cells` is matplotlib's inferno in reverse, by Stéfan van der Walt and Nathaniel Smith (2015). Lightness falls evenly from
orange to dark purple, so equal steps look equal, also to colour-blind readers and in grey prints. Both ends are left out: on a light
photo, yellow would look like no weight at all, and black like a shadow.

The scale of `ratio` is PuOr of ColorBrewer (Cynthia Brewer, Apache 2.0), the two sides of which colour-blind readers can tell apart.

The photo below is lightened so much that even its black is lighter than the first colour: more weight is darker over every photo.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

GROUND = (165.0, 0.335)
"""Grey of a black pixel of the photo under a map, and the share of the photo's range that is kept."""

COVER = (0.0, 0.92)
"""The map's opacity at weight 0 and at the largest weight. In between it grows as the square root, so that small weights are visible
too. The rest of a pixel is the photo in grey."""

_LIGHTEST, _DARKEST = 0.77, 0.17
"""The part of inferno that is used."""


@cache
def _table() -> Tensor:
    """The scale of `cells` as a table: (256, 3) uint8. Between two colours of inferno, which has 256 in all, it is interpolated."""
    from matplotlib import colormaps  # slow to import, and `reveal` needs none of it

    inferno = 255 * torch.tensor([colormaps["inferno"](index)[:3] for index in range(256)])
    position = 255 * torch.linspace(_LIGHTEST, _DARKEST, 256, dtype=torch.float64)
    below = position.long()
    return torch.lerp(inferno[below].double(), inferno[below + 1].double(), (position - below)[:, None]).round().byte()


RATIO_ENDS = 3
"""The scale of `ratio` ends at 2 to the power of this, and at its inverse."""

BELOW, ABOVE = (
    torch.tensor(points, dtype=torch.float32)
    for points in (
        [(178, 171, 210), (128, 115, 172), (84, 39, 136), (45, 0, 75)],
        [(253, 184, 99), (224, 130, 20), (179, 88, 6), (127, 59, 8)],
    )
)  # the sides of PuOr from the middle outwards: (4, 3) each


def colour(values: Tensor) -> Tensor:
    """Map values (...) from 0 to 1 to (..., 3) uint8 red, green, blue. Values outside are clamped; NaN counts as 0."""
    index = (values.nan_to_num(0.0).clamp(0, 1) * 255).round().long()
    return _table()[index.cpu()]


def covered(grey: Tensor, share: Tensor) -> Tensor:
    """Cover the photo in grey (height, width, 1) by the colours of shares (height, width) of the largest weight: (height, width, 3).

    A larger weight is also more opaque, so the photo stays visible where the weight is small.
    """
    low, high = COVER
    cover = low + (high - low) * share.nan_to_num(0.0).clamp(0, 1).sqrt()[..., None]
    return torch.lerp(GROUND[0] + GROUND[1] * grey, colour(share).float(), cover)


def diverging(grey: Tensor, steps: Tensor) -> Tensor:
    """Cover the photo in grey (height, width, 1) by the colours of steps (height, width) from -1, the least, to 1: (height, width, 3).

    The opacity grows as the square root of the distance from 0, as that of `covered` does.
    """
    steps = steps.nan_to_num(0.0).clamp(-1, 1)
    position = steps.abs() * (len(ABOVE) - 1)
    index = position.long().clamp(max=len(ABOVE) - 2)
    share = (position - index)[..., None]
    above, below = (torch.lerp(side[index], side[index + 1], share) for side in (ABOVE, BELOW))
    cover = COVER[1] * steps.abs().sqrt()[..., None]
    return torch.lerp(GROUND[0] + GROUND[1] * grey, torch.where(steps[..., None] > 0, above, below), cover)


def hatched(grey: Tensor) -> Tensor:
    """Mark what the network did not see (height, width, 3): faded towards white, with slanted lines."""
    height, width, _ = grey.shape
    line = (torch.arange(height)[:, None] + torch.arange(width)) % 8 < 1
    faded = 255 - 0.3 * (255 - grey)
    return torch.where(line[..., None], faded - 60, faded).clamp(min=0).expand(-1, -1, 3)
