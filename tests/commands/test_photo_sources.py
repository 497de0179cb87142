"""Captioning the photos of a source."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from captioner.commands.photo_sources import decode


def test_the_seed_decides_what_is_random():
    captioner = SimpleNamespace(captions_of=lambda batch: [float(torch.rand(())) for _ in batch])
    once, again, other = (decode(captioner, list, range(40), seed=seed) for seed in (3, 3, 4))  # pyright: ignore
    assert once == again != other
    assert len(set(once)) == 40
