"""Training options, progress, and validation results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from captioner.errors import UserError
from captioner.metrics.units import NAMES
from captioner.ranges import Count, Fraction, NonNegative, OneOf, Positive, Seed, Size
from captioner.search import Caption
from captioner.training.optimisation import Clipping

Changes = dict[str, tuple[Any, Any]]
"""Settings that a run continues with, by `section.key`: the value before, and now."""


@dataclass(frozen=True)
class Plan:
    """Options of a training run.

    Args:
        epochs: maximum number of epochs.
        batch_size: photos in one step, over all processes and accumulated parts.
        captions_per_photo: captions of a photo in one step, at most; 0 for all of them. An epoch visits a photo until all its captions
            are read. Few captions of many photos teach more in a step than many captions of few, and cost more.
        accumulate: parts into which each process cuts its share of a batch, to save memory.
        precision: `fp32`, or `mixed`: bfloat16 autocast where the device has it; float16 with a gradient scaler on older cards, and
            fp32 on processors without bfloat16 instructions.
        ema_decay: decay of a running average of the weights, which is then validated and kept as best; 0 for none.
        clip: clip gradients by their common norm, each by its value, or not at all.
        clip_at: the norm or value at which gradients are clipped.
        validate_every: epochs between validations.
        monitor: the decoded validation score that decides which checkpoint is best.
        patience: validations without a better score after which training stops; 0 to never stop early.
        save_minutes: minutes between checkpoints inside an epoch.
        workers: processes that read photos for each training process.
        seed: seed of all random numbers.
    """

    epochs: Size = 20
    batch_size: Size = 32
    captions_per_photo: Count = 0
    accumulate: Size = 1
    precision: Literal["fp32", "mixed"] = "fp32"
    ema_decay: Fraction = 0.0
    clip: Clipping = "norm"
    clip_at: Positive = 5.0
    validate_every: Size = 1
    monitor: Annotated[str, OneOf(NAMES)] = "CIDEr-D"
    patience: Count = 0
    save_minutes: NonNegative = 10
    workers: Annotated[int, Ge(0), Le(256)] = 0
    seed: Seed = 0


@dataclass
class Progress:
    """The progress of a training run."""

    epoch: int = 0  # the current one
    batch: int = 0  # the next one in the epoch
    step: int = 0  # optimiser steps made
    best_score: float = -math.inf
    waited: int = 0  # validations without a better score
    finished: bool = False
    loss_sum: float = 0.0  # of the first term of the loss, over steps of the epoch
    loss_steps: int = 0  # the number of these steps

    def note_score(self, score: float) -> bool:
        """Count a validation score; returns whether it is the best so far."""
        better = score > self.best_score
        self.best_score, self.waited = (score, 0) if better else (self.best_score, self.waited + 1)
        return better

    def is_complete(self, plan: Plan) -> bool:
        """Whether a run at the end of an epoch has made all its epochs, or has waited long enough for a better score."""
        return self.epoch >= plan.epochs or 0 < plan.patience <= self.waited


@dataclass(frozen=True)
class Validation:
    """The results of decoding the validation split."""

    scores: dict[str, float]
    captions: list[Caption]
    map_change: float | None = None  # total variation distance between the maps of consecutive words; None without maps
    map_entropy: float | None = None  # entropy divided by log R, 0 (one region) to 1 (uniform)


def check_monitor(plan: Plan, num_photos: int) -> None:
    """Check that the watched score can tell checkpoints apart on so many validation photos.

    Raises:
        UserError: it is the same for all captions.
    """
    if plan.monitor == "CIDEr-D" and num_photos == 1:
        raise UserError("CIDEr-D of one validation photo is always 0; validate on more, or choose another run.monitor")


def check_reward(weights: Mapping[str, Any], num_photos: int) -> None:
    """Check that the rewards of so many training photos teach something, given the options of an objective.

    Raises:
        UserError: the only reward is CIDEr-D, which is 0 for all captions of a single photo.
    """
    if num_photos == 1 and weights.get("cider") and not weights.get("bleu"):
        raise UserError(
            "CIDEr-D of one training photo is always 0, so nothing is learned; train on more, or set objective.bleu=1"
        )


def check_num_photos(plan: Plan, num_photos: int, num_processes: int) -> None:
    """`check_batch_size` before the captions are read. If few captions of a photo are taken at a time, how often an epoch visits it is
    only known afterwards.
    """
    if not plan.captions_per_photo:
        check_batch_size(plan, range(num_photos, num_photos + 1), num_processes)


def check_batch_size(plan: Plan, epoch_sizes: range, num_processes: int) -> None:
    """Check that every part of every batch has a photo; an epoch visits one of `epoch_sizes` photos, repeats counted.

    Raises:
        UserError: a batch has fewer photos than parts.
    """
    parts = num_processes * plan.accumulate
    smallest = min(
        size // -(-size // plan.batch_size) for size in epoch_sizes
    )  # batches of an epoch differ by one photo
    if parts > smallest:
        raise UserError(
            f"run.batch_size={plan.batch_size}, {num_processes} processes and run.accumulate={plan.accumulate} leave parts of a batch "
            f"without photos: the smallest batch has {smallest}; make run.batch_size larger, or accumulate less"
        )
