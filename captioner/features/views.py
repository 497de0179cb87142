"""Flips and quarter turns of a photo. For an aerial photo, all of them are as natural as the photo itself.

Shapes: B photos, h and w pixels.
"""

from __future__ import annotations

from torch import Tensor

VIEWS = {"none": 1, "flips": 2, "turns": 8}
"""Number of views by augmentation: the photo; also its mirror image; both in each of the four quarter turns."""


def seen_as(pixels: Tensor, view: int) -> Tensor:
    """Pixels (..., h, w) in one of eight views: 0 unchanged, 1 mirrored left to right; then both turned by 1 to 3 quarters."""
    turns, mirrored = divmod(view, 2)
    if turns % 2 and pixels.shape[-1] != pixels.shape[-2]:
        raise ValueError(
            f"a quarter turn needs a square view of the photo, got {pixels.shape[-1]} x {pixels.shape[-2]} pixels; "
            "choose augment: flips, or a square input size"
        )
    return (pixels.flip(-1) if mirrored else pixels).rot90(turns, (-2, -1))
