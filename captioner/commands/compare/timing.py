"""The cost of a kind: parameters, and the time of a training step and of a decoded word."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from typing_extensions import TypedDict

from captioner import builder
from captioner.captioner import Captioner
from captioner.commands.compare.variants import Variant
from captioner.commands.photo_sources import photo_source, read_splits
from captioner.data.batches import Batch, encode_references, pad_words
from captioner.files import write_text_atomically
from captioner.model import CaptionModel
from captioner.readers import read_json
from captioner.search import Greedy
from captioner.text.vocabulary import PAD
from captioner.training.contract import Totals

_TIMED_PHOTOS = 16
_ROUNDS = 7


@dataclass(frozen=True)
class Times:
    """The cost of a variant."""

    num_parameters: int
    step_ms: float
    word_ms: float


class _Stored(TypedDict):
    """`Times` in the file."""

    num_parameters: int
    step_ms: float
    word_ms: float


def measure_times(variants: Sequence[Variant], folder: Path) -> dict[str, Times]:
    """Milliseconds for 16 training photos in fp32: forward and backward of a step, and one word of greedy decoding.

    Medians of 7 rounds over all variants. All are measured again if a variant is new; delete times.json to repeat the measurement.
    """
    path = folder / "times.json"
    advice = "delete it, and the kinds are timed again"
    stored = read_json(path, advice, dict[str, _Stored]) if path.exists() else {}
    if not all(variant.name in stored for variant in variants):
        stored |= {name: asdict(times) for name, times in _measure(variants, folder).items()}
        write_text_atomically(path, json.dumps(stored, indent=1) + "\n")
    return {variant.name: Times(**stored[variant.name]) for variant in variants}


def _measure(variants: Sequence[Variant], folder: Path) -> dict[str, Times]:
    timed = {variant.name: _Timed.of(variant.folder(folder, 0)) for variant in variants}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in timed}
    for _ in range(_ROUNDS):
        for name, model in timed.items():
            rounds[name].append((model.step(), model.word()))
    return {
        name: Times(
            model.num_parameters,
            statistics.median(step for step, _ in rounds[name]),
            statistics.median(word for _, word in rounds[name]),
        )
        for name, model in timed.items()
    }


@dataclass
class _Timed:
    """One trained model and one batch."""

    captioner: Captioner
    objective: nn.Module
    batch: Batch
    totals: Totals

    @classmethod
    def of(cls, run: Path) -> _Timed:
        settings = builder.read_run_settings(run)
        captioner = builder.load(run, device=settings.run.device).with_search(Greedy())
        examples = read_splits(settings)["train"][:_TIMED_PHOTOS]
        views = 2 if settings.objective.options.get("mirror", 0) > 0 else 1  # the photo, and its mirror image
        source, examples = photo_source(settings, captioner.model, examples, "timed", run, num_views=views)
        captions = encode_references(examples, captioner.vocabulary, settings.data.max_length)
        every = range(len(examples))
        mirrored = source(every, [1] * len(every)) if views == 2 else None
        batch = Batch(source(every), pad_words(captions), every, mirrored, [0] * len(every)).to(captioner.device)
        words = int((batch.targets != PAD).sum())
        totals = Totals(words=words, captions=int(batch.caption_mask.sum()), photos=len(examples))
        assert isinstance(captioner.model, CaptionModel)  # one run, no ensemble
        objective = builder.make_objective(settings, captioner.model, captioner.vocabulary, examples, run)
        return cls(captioner, objective, batch, totals)

    @property
    def num_parameters(self) -> int:
        model = self.captioner.model
        return sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith("encoder."))

    def step(self) -> float:
        self.objective.train()
        started = time.perf_counter()
        self.objective(self.batch, self.totals)[0].backward()
        self._wait()
        self.objective.zero_grad()
        return 1000 * (time.perf_counter() - started)

    def word(self) -> float:
        started = time.perf_counter()
        captions = self.captioner.captions_of(self.batch.photos)
        self._wait()
        return 1000 * (time.perf_counter() - started) / max(len(caption.words) + 1 for caption in captions)

    def _wait(self) -> None:
        if self.captioner.device.type != "cpu":
            torch.accelerator.synchronize(self.captioner.device)
