"""Warnings of silent failures in training. Each check returns a warning, or None."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from captioner.errors import UserError

_LEAST_MAP_CHANGE = 1e-3


def distinct_share(captions: Sequence[str]) -> float:
    """The share of different captions, 0 to 1."""
    return len(set(captions)) / len(captions) if captions else 0.0


def identical_captions(captions: Sequence[str]) -> str | None:
    """More than half of at least ten captions are the same sentence."""
    if len(captions) < 10:
        return None
    caption, count = Counter(captions).most_common(1)[0]
    if count <= len(captions) / 2:
        return None
    return (
        f"{count} of {len(captions)} photos have the same caption, {caption!r}: early in training this passes; later, check that "
        "photos are read correctly and that the learning rate is not too high"
    )


def frozen_maps(change: float | None) -> str | None:
    """Maps hardly differ between the words of a caption."""
    if change is None or change >= _LEAST_MAP_CHANGE:
        return None
    return f"maps hardly change from word to word (by {change:.1e} of their weight): attention is not being used"


def dark_photos(pixels: Tensor) -> str | None:
    """Photos (B, 3, h, w) that should range from 0 to 255 hold only 0 and 1: they were divided by 255 before."""
    if int(pixels.max()) > 1:
        return None
    return "the photos of a whole batch hold only the values 0 and 1 of 255: they were scaled before they were saved or read"


def check_loss(loss: float, step: int, saved: str | None = None) -> None:
    """Stop if the loss is not finite; see `diverged`."""
    if not math.isfinite(loss):
        raise diverged(f"the loss became {loss}, or its gradient did,", step, saved)


def diverged(what: str, step: int, saved: str | None) -> UserError:
    """The error that ends a training run whose loss or weights are no longer finite.

    Args:
        what: what is not finite, as a sentence without its end.
        saved: what the newest checkpoint holds; None if nothing was saved.
    """
    on = "and --change goes on from there" if saved else "starts again"
    return UserError(
        f"{what} at step {step}; {saved or 'nothing was saved before'}. Lower optimiser.learning_rate, clip gradients (run.clip=norm "
        f"run.clip_at=1), or train with run.precision=fp32: the same command with such a setting {on}"
    )
