r"""The style `reveal`: the photo in its own colours, darkened where a map has less weight than a uniform map.

Of a region's weight, only its multiple of the uniform weight counts, $m = w R$ for $R$ regions. A part of the photo of colour $c$ becomes

- darkened, where $m \le 1$: $s + (c - s) (f + (1 - f) m^g)$, with the shade $s$ (SHADE), $f$ (LEAST) and $g$ (GAMMA);
- lightened a little, where $m > 1$: $c + (l - c) \, a \log m / \log R$, with the light $l$ (LIGHT) and $a$ (MOST).

A uniform map thus leaves the photo unchanged, and the meaning of a brightness is the same for all words, photos and models. Values are
rounded up or down in a fixed pattern, so that the mean over a region keeps what rounding takes from a pixel: from the photo and the
picture, weights can be read back to 1 %, of the uniform weight or of a larger weight itself.

A line surrounds the regions of at least CONTOUR times the uniform weight. It lies on their outermost pixels.

Shapes: pictures are (height, width, 3), 0 to 255; maps (height, width), NaN outside the network's view.
"""

from __future__ import annotations

import math

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from captioner.encoders.preprocess import in_colour

CONTOUR = 1.5
SHADE, LEAST, GAMMA = (16.0, 18.0, 28.0), 0.1, 1.5
LIGHT, MOST = (255.0, 236.0, 160.0), 0.25
UNSEEN = 0.35
"""The share of brightness outside the network's view, which is drawn in grey."""
EDGE = (150.0, 150.0, 150.0)
"""The line around the network's view."""
_GREY = (0.299, 0.587, 0.114)


def pixels_of(picture: Image.Image) -> Tensor:
    """A picture as (height, width, 3) float32."""
    picture = in_colour(picture)
    return (
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3).float()
    )


def revealed(photo: Tensor, multiples: Tensor, num_regions: int, line: int = 2) -> Tensor:
    """The photo under a map.

    Args:
        photo: (height, width, 3).
        multiples: the weight over that of a uniform map, (height, width).
        num_regions: R, the largest possible multiple.
        line: width of the contour in pixels; 0 draws none.
    """
    seen = ~multiples.isnan()
    drawn = rounded(shaded(photo, multiples.nan_to_num(0.0), num_regions))
    grey = UNSEEN * (photo @ photo.new_tensor(_GREY))[..., None]
    drawn = torch.where(seen[..., None], drawn, grey.round())
    if line:
        drawn[_grown(seen, max(1, line // 2)) & ~seen] = drawn.new_tensor(EDGE)
        light, dark = contour(multiples, line)
        drawn[light], drawn[dark] = 255.0, 0.0
    return drawn


def shaded(colours: Tensor, multiples: Tensor, num_regions: int) -> Tensor:
    """The formula above: colours (..., 3) under multiples (...) of the uniform weight, not yet rounded."""
    shade, light = colours.new_tensor(SHADE), colours.new_tensor(LIGHT)
    kept = LEAST + (1 - LEAST) * multiples.clamp(0, 1) ** GAMMA
    added = MOST * multiples.clamp(min=1).log() / math.log(max(2, num_regions))
    return torch.where(
        (multiples > 1)[..., None],
        torch.lerp(colours, light, added[..., None]),
        torch.lerp(shade, colours, kept[..., None]),
    )


def contour(multiples: Tensor, line: int) -> tuple[Tensor, Tensor]:
    """The pixels of a light line around the regions of at least CONTOUR, and of a thin dark one inside it: (height, width) each."""
    inside = multiples >= CONTOUR  # False for NaN
    light = inside & ~_shrunk(inside, line)
    return light, inside & ~light & ~_shrunk(inside, line + max(1, line // 2))


def rounded(values: Tensor) -> Tensor:
    """Round up or down by a pattern of 8 x 8 pixels, such that their mean stays the same (ordered dithering). Whole numbers stay."""
    height, width, _ = values.shape
    pattern = _PATTERN.repeat(-(-height // 8), -(-width // 8))[:height, :width, None]
    return (values + pattern).floor().clamp(0, 255)


def _pattern() -> Tensor:
    """(8, 8): the thresholds 1/128, 3/128, ..., 127/128 in the order of Bayer 1973."""
    order = torch.zeros(1, 1)
    for _ in range(3):
        order = torch.cat([torch.cat([4 * order, 4 * order + 2], 1), torch.cat([4 * order + 3, 4 * order + 1], 1)])
    return (order + 0.5) / 64


_PATTERN = _pattern()


def _grown(inside: Tensor, by: int) -> Tensor:
    """Add the pixels within `by` pixels, across and diagonally."""
    return functional.max_pool2d(inside.float()[None], 2 * by + 1, 1, by)[0] > 0


def _shrunk(inside: Tensor, by: int) -> Tensor:
    """Remove the pixels within `by` pixels of what is not inside; nothing beyond the picture's border is."""
    outside = functional.pad((~inside).float()[None], (by,) * 4, value=1.0)
    return functional.max_pool2d(outside, 2 * by + 1, 1)[0] == 0
