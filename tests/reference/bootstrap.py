"""Scores of resampled photos, one resample after another: each drawn photo stands in a corpus of its own, and that corpus is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy
from pycocoevalcap.bleu.bleu import Bleu

from captioner.metrics.coco_scores import score_each


def resampled(
    captions: Mapping[int, str], references: Mapping[int, Sequence[str]], num_resamples: int, seed: int
) -> dict[str, list[float]]:
    """BLEU-1 to BLEU-4 by pycocoevalcap; ROUGE-L and CIDEr-D as the mean of scores that each photo has among all photos."""
    photos, each = list(references), score_each(captions, references, "whitespace")
    drawn = numpy.random.default_rng(seed).integers(len(photos), size=(num_resamples, len(photos)))
    found: dict[str, list[float]] = {name: [] for name in each}
    for places in drawn.tolist():
        wanted = {number: list(references[photos[place]]) for number, place in enumerate(places)}
        written = {number: [captions[photos[place]]] for number, place in enumerate(places)}
        bleus, _ = Bleu(4).compute_score(wanted, written, verbose=0)
        for name, value in zip(list(each)[:4], bleus, strict=True):
            found[name].append(value)
        for name in ("ROUGE-L", "CIDEr-D"):
            found[name].append(sum(each[name][place] for place in places) / len(places))
    return found
