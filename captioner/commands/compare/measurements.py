"""What was measured of one run, and what that says of a kind over its seeds."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captioner import builder, metrics
from captioner.commands.compare.timing import Times
from captioner.commands.compare.variants import Variant
from captioner.commands.evaluate import MODEL, Evaluation, evaluate
from captioner.commands.photo_sources import with_placement
from captioner.data.drawn import instances_path
from captioner.data.shapes import COLOURS, SHAPES
from captioner.explain.pairs import PairAgreement, agree, read_objects
from captioner.explain.shape import map_shape
from captioner.files import write_text_atomically
from captioner.metrics.bootstrap import paired_interval
from captioner.progress import Report
from captioner.training.run_log import run_seconds


@dataclass(frozen=True)
class Line:
    """What one variant, or a baseline, is worth on one split; scores in coco-caption's own scale. None where there is nothing to say."""

    name: str
    split: str
    scores: list[float]  # CIDEr-D of every seed
    difference: tuple[float, float, float] | None  # to the first variant, with its 95 % interval over photos
    right: float | None = None  # share of captions of drawn pictures in which every (colour, shape) named is there
    lift: float | None = None  # attention inside the box of the named shape over the box's fair share, if drawn
    entropy: float | None = None
    sharpness: float | None = None
    change: float | None = None
    parameters: int | None = None  # of all but the encoder
    seconds: float | None = None  # of a run's training and validation, on stored regions
    step_ms: float | None = None
    word_ms: float | None = None


def measure(run: Path, split: str, report: Report) -> None:
    """Decode and score, once."""
    if _written(run, split).exists():
        return
    found = _evaluate(run, split, report, baselines=False)
    shape, pairs = map_shape(found.captions), pair_agreement(found)
    measured = {
        **_worth(found, MODEL),
        "shape": asdict(shape) if shape is not None else {},
        "right": pairs.caption_accuracy if pairs is not None else None,
        "lift": pairs.lift if pairs is not None else None,
    }
    write_text_atomically(_written(run, split), json.dumps(measured) + "\n")


def measure_baselines(run: Path, folder: Path, split: str, report: Report) -> None:
    """Score what needs no captioner, once; likeness of photos is by the features of this run's encoder."""
    if not (folder / f"baselines_{split}.json").exists():
        found = _evaluate(run, split, report, baselines=True)
        worth = {name: _worth(found, name) for name in found.systems if name != MODEL}
        write_text_atomically(folder / f"baselines_{split}.json", json.dumps(worth) + "\n")


def _evaluate(run: Path, split: str, report: Report, baselines: bool) -> Evaluation:
    """By the words that the models were trained on."""
    tokens = builder.read_run_settings(run).data.tokens
    return evaluate(run, split, report=report, baselines=baselines, java=False, tokens=tokens)


def _worth(found: Evaluation, system: str) -> dict[str, Any]:
    """A system's scores, and CIDEr-D of every photo."""
    each = metrics.cider_d_each(found.systems[system], found.references(), found.protocol.tokens)
    return {"scores": found.rows[system], "each": each}


def pair_agreement(evaluation: Evaluation) -> PairAgreement | None:
    """How captions and maps agree with the objects that were drawn; None where pictures were not drawn."""
    instances = instances_path(evaluation.examples[0].image.parents[1], evaluation.split)
    if not instances.is_file():
        return None
    objects = read_objects(instances)
    placed = [with_placement(caption, evaluation.source, index) for index, caption in enumerate(evaluation.captions)]
    return agree(placed, [objects[example.id] for example in evaluation.examples], COLOURS, SHAPES)


def line_of(variant: Variant, split: str, first: Variant, num_seeds: int, folder: Path, times: Times) -> Line:
    """A variant's line."""
    ours, others = (_measured(each, split, num_seeds, folder) for each in (variant, first))
    shapes = [one["shape"] for one in ours]
    return Line(
        name=variant.name,
        split=split,
        scores=[one["scores"]["CIDEr-D"] for one in ours],
        difference=None if variant == first else paired_interval(_mean_each(ours), _mean_each(others)),
        right=_mean([one["right"] for one in ours]),
        lift=_mean([one["lift"] for one in ours]),
        entropy=_mean([shape.get("entropy") for shape in shapes]),
        sharpness=_mean([shape.get("sharpness") for shape in shapes]),
        change=_mean([shape.get("change") for shape in shapes]),
        parameters=times.num_parameters,
        seconds=_mean([run_seconds(variant.folder(folder, seed)) for seed in range(num_seeds)]),
        step_ms=times.step_ms,
        word_ms=times.word_ms,
    )


def baseline_lines(split: str, first: Variant, num_seeds: int, folder: Path) -> list[Line]:
    """Lines of what needs no captioner."""
    others = _mean_each(_measured(first, split, num_seeds, folder))
    worth = json.loads((folder / f"baselines_{split}.json").read_text(encoding="utf-8"))
    return [
        Line(name, split, [one["scores"]["CIDEr-D"]], paired_interval(one["each"], others))
        for name, one in worth.items()
    ]


def _written(run: Path, split: str) -> Path:
    return run / f"measured_{split}.json"


def _measured(variant: Variant, split: str, num_seeds: int, folder: Path) -> list[dict[str, Any]]:
    runs = [variant.folder(folder, seed) for seed in range(num_seeds)]
    return [json.loads(_written(run, split).read_text(encoding="utf-8")) for run in runs]


def _mean_each(measured: list[dict[str, Any]]) -> list[float]:
    """Every photo's score, the mean over seeds."""
    return [statistics.fmean(values) for values in zip(*(one["each"] for one in measured), strict=True)]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
