"""Kinds of attention, and decoders, on equal terms: one recipe, several seeds, one table.

Every run lies in a folder of its own and is trained, measured and written down there; what is there already is not done again, so that
a comparison goes on where it was interrupted, and grows when kinds or seeds are added.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.table import Table
from torch import nn

from captioner import build, metrics, runs
from captioner.config import Settings
from captioner.data.batches import Batch, encode_references, pad_words
from captioner.data.drawn import COLOURS, SHAPES, instances_path
from captioner.errors import UserError
from captioner.evaluation import MODEL, Evaluation, evaluate
from captioner.explain import PairAgreement, agree, map_shape, read_objects
from captioner.files import write_text_atomically
from captioner.metrics.bootstrap import paired_interval
from captioner.photos import Report, photo_source, read_splits, silent, with_placement
from captioner.run_folder import has_finished
from captioner.search import Captioner, Greedy
from captioner.training.objectives import Totals
from captioner.vocabulary import PAD

_TIMED_PHOTOS = 16
_ROUNDS = 7


@dataclass(frozen=True)
class Variant:
    """One line of a comparison: `soft:dot`, `multi_head`, or with another decoder `transformer/multi_head`."""

    name: str

    def overrides(self, recipe: Settings) -> list[str]:
        """What makes it of the recipe: its names, and sizes and options of the recipe that its parts know too."""
        decoder, _, looking = self.name.rpartition("/")
        kind, _, score = looking.partition(":")
        names = {"decoder.kind": decoder or recipe["decoder"]["kind"], "attention.kind": kind, "attention.score": score}
        known = {
            section: build.keys_of(section, names[f"{section}.kind"], score) for section in ("attention", "decoder")
        }
        shared = {
            f"{section}.{key}": value
            for section, keys in known.items()
            for key, value in recipe[section].items()
            if key in keys and value is not None
        }
        return [f"{key}={value}" for key, value in {**names, **shared}.items() if value != ""]

    def folder(self, root: Path, seed: int) -> Path:
        return root / self.name.replace("/", "-").replace(":", "-") / f"seed-{seed}"


@dataclass(frozen=True)
class Line:
    """What one variant is worth on one split, over its seeds; scores in coco-caption's own scale."""

    name: str
    split: str
    scores: list[float]  # CIDEr-D of every seed
    difference: tuple[float, float, float] | None  # to the first variant, with its 95 % interval over photos
    right: float | None  # share of captions of drawn pictures in which every (colour, shape) named is there
    lift: float | None  # attention inside the box of the named shape over the box's fair share, on drawn pictures
    entropy: float | None
    sharpness: float | None
    change: float | None
    parameters: int  # of all but the encoder
    step_ms: float
    word_ms: float


def compare(
    config: Path,
    names: Sequence[str],
    num_seeds: int,
    folder: Path,
    splits: Sequence[str] = ("val",),
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> list[Line]:
    """Train and measure what is not there yet; returns one line for each variant and split.

    Raises:
        UserError: a name is none of a kind, score or decoder, or its settings do not fit; nothing was trained.
    """
    variants = [Variant(name) for name in dict.fromkeys(names)]
    recipe = build.read(config, overrides)
    plans = {
        (variant, seed): [
            *overrides,
            *variant.overrides(recipe),
            f"run.seed={seed}",
            f"run.folder={variant.folder(folder, seed)}",
        ]
        for seed in range(num_seeds)
        for variant in variants
    }
    for settings in plans.values():
        _check_splits(build.read(config, settings), splits)  # complains before anything is trained
    for number, ((variant, seed), settings) in enumerate(plans.items(), start=1):
        report("variant", name=variant.name, seed=seed, number=number, total=len(plans))
        if not has_finished(variant.folder(folder, seed), build.read(config, settings)):
            runs.train(config, settings, report)
        for split in splits:
            _measure(variant.folder(folder, seed), split, report)
    times = _times(variants, folder)
    return [
        _line(variant, split, variants[0], num_seeds, folder, times[variant.name])
        for split in splits
        for variant in variants
    ]


def _check_splits(settings: Settings, splits: Sequence[str]) -> None:
    known = [name for name, examples in build.make_all_splits(settings).items() if examples]
    for split in splits:
        if split not in known:
            raise UserError(f"the data has no split {split!r} with photos; it has {', '.join(known)}")


def _measure(run: Path, split: str, report: Report) -> None:
    """Decode and score, once."""
    if (run / f"measured_{split}.json").exists():
        return
    found = evaluate(run, split, report=report, baselines=False, java=False)
    references = found.references()
    texts = {photo: text for photo, text in found.texts().items() if photo in references}
    shape, pairs = map_shape(found.captions), pair_agreement(found)
    measured = {
        "scores": found.rows[MODEL],
        "each": metrics.cider_d_each(texts, references),
        "shape": asdict(shape) if shape is not None else None,
        "right": pairs.caption_accuracy if pairs is not None else None,
        "lift": pairs.lift if pairs is not None else None,
    }
    write_text_atomically(run / f"measured_{split}.json", json.dumps(measured) + "\n")


def pair_agreement(evaluation: Evaluation) -> PairAgreement | None:
    """How captions and maps agree with the objects that were drawn; None where pictures were not drawn."""
    instances = instances_path(evaluation.examples[0].image.parents[1], evaluation.split)
    if not instances.is_file():
        return None
    objects = read_objects(instances)
    placed = [with_placement(caption, evaluation.source, index) for index, caption in enumerate(evaluation.captions)]
    return agree(placed, [objects[example.id] for example in evaluation.examples], COLOURS, SHAPES)


def _line(variant: Variant, split: str, first: Variant, num_seeds: int, folder: Path, times: Times) -> Line:
    ours, others = (_measured(each, split, num_seeds, folder) for each in (variant, first))
    difference = None if variant == first else paired_interval(_mean_each(ours), _mean_each(others))
    shapes = [one["shape"] or {} for one in ours]
    return Line(
        name=variant.name,
        split=split,
        scores=[one["scores"]["CIDEr-D"] for one in ours],
        difference=difference,
        right=_mean([one["right"] for one in ours]),
        lift=_mean([one["lift"] for one in ours]),
        entropy=_mean([shape.get("entropy") for shape in shapes]),
        sharpness=_mean([shape.get("sharpness") for shape in shapes]),
        change=_mean([shape.get("change") for shape in shapes]),
        parameters=times.num_parameters,
        step_ms=times.step_ms,
        word_ms=times.word_ms,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _measured(variant: Variant, split: str, num_seeds: int, folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads((variant.folder(folder, seed) / f"measured_{split}.json").read_text(encoding="utf-8"))
        for seed in range(num_seeds)
    ]


def _mean_each(measured: list[dict[str, Any]]) -> list[float]:
    """Every photo's score, the mean over seeds."""
    return [statistics.fmean(values) for values in zip(*(one["each"] for one in measured), strict=True)]


@dataclass(frozen=True)
class Times:
    """What a variant costs."""

    num_parameters: int
    step_ms: float
    word_ms: float


def _times(variants: Sequence[Variant], folder: Path) -> dict[str, Times]:
    """Milliseconds for 16 photos of training, in fp32: of a step's forward and backward, and of a word of greedy decoding. Medians of 7,
    all variants in turn."""
    timed = {variant.name: _Timed.of(variant.folder(folder, 0)) for variant in variants}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in timed}
    for _ in range(_ROUNDS):
        for name, one in timed.items():
            rounds[name].append((one.step(), one.word()))
    return {
        name: Times(
            one.num_parameters,
            statistics.median(step for step, _ in rounds[name]),
            statistics.median(word for _, word in rounds[name]),
        )
        for name, one in timed.items()
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
        settings = build.read_run_settings(run)
        captioner = build.load(run, device=settings["run"]["device"]).with_search(Greedy())
        examples = read_splits(settings)["train"][:_TIMED_PHOTOS]
        source, examples = photo_source(settings, captioner.model, examples, "timed", run)
        captions = encode_references(examples, captioner.vocabulary, settings["data"]["max_length"])
        batch = Batch(source(range(len(examples))), pad_words(captions)).to(captioner.device)
        words = int((batch.targets != PAD).sum())
        totals = Totals(words=words, captions=int(batch.caption_mask.sum()))
        return cls(captioner, build.make_objective(settings, captioner.model), batch, totals)

    @property
    def num_parameters(self) -> int:
        model = self.captioner.model
        return sum(one.numel() for name, one in model.named_parameters() if not name.startswith("encoder."))

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
        if self.captioner.device.type == "cuda":
            torch.cuda.synchronize()


def save(folder: Path, lines: Sequence[Line], config: Path) -> None:
    """Numbers as json, the table as Markdown, and the figure."""
    from captioner.visualize.comparison import comparison_figure

    stored = {"config": str(config), "lines": [asdict(line) for line in lines]}
    write_text_atomically(folder / "comparison.json", json.dumps(stored, indent=1) + "\n")
    rows = [_COLUMNS, ["---", "---", *["--:"] * (len(_COLUMNS) - 2)], *map(_cells, lines)]
    write_text_atomically(folder / "comparison.md", "".join(f"| {' | '.join(row)} |\n" for row in rows))
    comparison_figure(folder / "comparison.png", {line.name: line for line in lines if line.split == lines[0].split})


def table(lines: Sequence[Line]) -> Table:
    printed = Table(title=_TITLE, box=box.SIMPLE)
    for name in _COLUMNS:
        printed.add_column(name, justify="left" if name in _COLUMNS[:2] else "right")
    for line in lines:
        printed.add_row(*_cells(line))
    return printed


_TITLE = "CIDEr-D x100: mean and standard deviation over seeds; less the first's, with its 95 % interval over photos"
_COLUMNS = [
    "kind", "split", "CIDEr-D", "difference", "right", "lift", "entropy", "sharpness", "change", "parameters", "ms a step", "ms a word",
]  # fmt: skip


def _cells(line: Line) -> list[str]:
    score = f"{100 * statistics.fmean(line.scores):.1f}"
    if len(line.scores) > 1:
        score += f" ± {100 * statistics.stdev(line.scores):.1f}"
    difference = "-"
    if line.difference is not None:
        middle, low, high = (100 * value for value in line.difference)
        difference = f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
    right = "-" if line.right is None else f"{line.right:.1%}"
    others = ["-" if one is None else f"{one:.2f}" for one in (line.lift, line.entropy, line.sharpness, line.change)]
    sizes = [f"{line.parameters:,}", f"{line.step_ms:.1f}", f"{line.word_ms:.2f}"]
    return [line.name, line.split, score, difference, right, *others, *sizes]


def check_names(text: str) -> list[str]:
    """The names in a list with commas between them."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(
            "a comparison needs kinds of attention, got none; write --attention soft:additive,soft:dot,multi_head"
        )
    return names
