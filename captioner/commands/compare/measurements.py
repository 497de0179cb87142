"""The numbers of each run, and of a kind over its seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from captioner import builder, metrics
from captioner.commands.compare.timing import Times
from captioner.commands.compare.variants import Variant
from captioner.commands.evaluate import MODEL, Evaluation, evaluate
from captioner.commands.photo_sources import with_placement
from captioner.data.changes import digest_of
from captioner.data.contract import Example
from captioner.data.drawn import instances_path
from captioner.data.shapes import COLOURS, SHAPES
from captioner.errors import UserError
from captioner.explain.pairs import PairAgreement, agree, read_objects
from captioner.explain.shape import map_shape
from captioner.files import write_text_atomically
from captioner.metrics.bootstrap import paired_interval
from captioner.progress import Report
from captioner.readers import read_json
from captioner.training.checkpoints import BEST, checkpoint_state
from captioner.training.run_log import run_seconds

_ADVICE = "delete it, and it is measured again"


class _Scored(TypedDict):
    """What is stored of a baseline."""

    references: NotRequired[str]  # digest of the photos and captions that it was scored on
    scores: dict[str, float]
    each: list[float]  # CIDEr-D of every photo


class _Measured(_Scored):
    """What is stored of a run."""

    of: NotRequired[dict[str, Any]]  # which weights, how they were decoded, and on what they were scored
    shape: dict[str, float | None]
    right: float | None
    lift: float | None


@dataclass(frozen=True)
class Line:
    """One variant or baseline on one split. Scores are in coco-caption's own scale; None if not measured."""

    name: str
    split: str
    scores: list[float]  # CIDEr-D of every seed
    difference: tuple[float, float, float] | None  # from the first variant, with its 95 % interval over photos
    right: float | None = None  # share of captions of drawn pictures that name only pairs in the picture
    lift: float | None = (
        None  # weight of the map in the box of the named shape over a uniform map's; drawn pictures only
    )
    entropy: float | None = None  # this and the next two: means as in `MapShape`
    sharpness: float | None = None
    change: float | None = None
    parameters: int | None = None  # without the encoder
    seconds: float | None = None  # of training and validation of a run, on stored regions
    step_ms: float | None = None
    word_ms: float | None = None


def measure(run: Path, split: str, examples: Sequence[Example], report: Report) -> None:
    """Decode and score a run, once for its best weights, its search, and the photos and captions of the split."""
    path, of = _measured_path(run, split), _measured_of(run, examples)
    if path.exists() and read_json(path, _ADVICE, _Measured).get("of") == of:
        return
    evaluation = _evaluate(run, split, report, baselines=False)
    shape, pairs = map_shape(evaluation.captions), pair_agreement(evaluation)
    measured = {
        "of": of,
        **_scores(evaluation, MODEL),
        "shape": asdict(shape) if shape is not None else {},
        "right": pairs.caption_accuracy if pairs is not None else None,
        "lift": pairs.lift if pairs is not None else None,
    }
    write_text_atomically(path, json.dumps(measured) + "\n")


def _measured_of(run: Path, examples: Sequence[Example]) -> dict[str, Any]:
    """What tells the weights of a run from those that it had before it was trained on, its search from another, and data from others."""
    progress = checkpoint_state(run / BEST)["progress"]
    best = {name: progress[name] for name in ("epoch", "step", "best_score")}
    return best | {"search": builder.read_run_settings(run).resolved["search"], "references": digest_of(examples)}


def measure_baselines(run: Path, folder: Path, split: str, examples: Sequence[Example], report: Report) -> None:
    """Score the baselines, once for these photos and captions; nearest photos are found by the features of this run's encoder."""
    path, references = folder / f"baselines_{split}.json", digest_of(examples)
    stored = read_json(path, _ADVICE, dict[str, _Scored]) if path.exists() else {}
    if not stored or any(scored.get("references") != references for scored in stored.values()):
        evaluation = _evaluate(run, split, report, baselines=True)
        scores = {
            name: {"references": references, **_scores(evaluation, name)}
            for name in evaluation.systems
            if name != MODEL
        }
        write_text_atomically(path, json.dumps(scores) + "\n")


def _evaluate(run: Path, split: str, report: Report, baselines: bool) -> Evaluation:
    """Evaluate a run with the tokeniser that it was trained with."""
    tokens = builder.read_run_settings(run).data.tokens
    return evaluate(run, split, report=report, baselines=baselines, java=False, tokens=tokens)


def _scores(evaluation: Evaluation, system: str) -> dict[str, Any]:
    """A system's scores, and CIDEr-D of every photo (key `each`)."""
    by_photo = metrics.cider_d_each(evaluation.systems[system], evaluation.references(), evaluation.protocol.tokens)
    return {"scores": evaluation.rows[system], "each": by_photo}


def pair_agreement(evaluation: Evaluation) -> PairAgreement | None:
    """How captions and maps agree with the objects of drawn pictures; None for other photos."""
    instances = instances_path(evaluation.examples[0].image.parents[1], evaluation.split)
    if not instances.is_file():
        return None
    objects = read_objects(instances)
    placed = [with_placement(caption, evaluation.source, index) for index, caption in enumerate(evaluation.captions)]
    return agree(placed, [objects[example.id] for example in evaluation.examples], COLOURS, SHAPES)


def line_of(variant: Variant, split: str, first: Variant, num_seeds: int, folder: Path, times: Times) -> Line:
    """The line of a variant: means over its seeds."""
    first_runs = _measured(first, split, num_seeds, folder)
    runs = first_runs if variant == first else _measured(variant, split, num_seeds, folder, len(first_runs[0]["each"]))
    shapes = [run["shape"] for run in runs]
    return Line(
        name=variant.name,
        split=split,
        scores=[run["scores"]["CIDEr-D"] for run in runs],
        difference=None if variant == first else paired_interval(_mean_by_photo(runs), _mean_by_photo(first_runs)),
        right=_mean([run["right"] for run in runs]),
        lift=_mean([run["lift"] for run in runs]),
        entropy=_mean([shape.get("entropy") for shape in shapes]),
        sharpness=_mean([shape.get("sharpness") for shape in shapes]),
        change=_mean([shape.get("change") for shape in shapes]),
        parameters=times.num_parameters,
        seconds=_mean([run_seconds(variant.folder(folder, seed)) for seed in range(num_seeds)]),
        step_ms=times.step_ms,
        word_ms=times.word_ms,
    )


def baseline_lines(split: str, first: Variant, num_seeds: int, folder: Path) -> list[Line]:
    """The lines of the baselines."""
    first_scores = _mean_by_photo(_measured(first, split, num_seeds, folder))
    path = folder / f"baselines_{split}.json"
    baselines = read_json(path, _ADVICE, dict[str, _Scored])
    for scored in baselines.values():
        _check_scored(path, scored, len(first_scores))
    return [
        Line(name, split, [scored["scores"]["CIDEr-D"]], paired_interval(scored["each"], first_scores))
        for name, scored in baselines.items()
    ]


def _measured_path(run: Path, split: str) -> Path:
    return run / f"measured_{split}.json"


def _measured(
    variant: Variant, split: str, num_seeds: int, folder: Path, num_photos: int | None = None
) -> list[_Measured]:
    """What was measured of a variant's runs, on so many photos; by default, on as many as the first."""
    paths = [_measured_path(variant.folder(folder, seed), split) for seed in range(num_seeds)]
    runs: list[_Measured] = [read_json(path, _ADVICE, _Measured) for path in paths]
    for path, run in zip(paths, runs, strict=True):
        _check_scored(path, run, len(runs[0]["each"]) if num_photos is None else num_photos)
    return runs


def _check_scored(path: Path, scored: _Scored, num_photos: int) -> None:
    if "CIDEr-D" not in scored["scores"]:
        raise UserError(f"{path} should have the score CIDEr-D, got {', '.join(scored['scores']) or 'none'}; {_ADVICE}")
    if not len(scored["each"]) == num_photos > 0:
        raise UserError(
            f"{path} should hold scores of the same photos as that of the first run, got "
            f"{len(scored['each'])} and {num_photos}; delete the one that is damaged or of earlier data, and it is measured again"
        )


def _mean_by_photo(runs: Sequence[_Scored]) -> list[float]:
    """Every photo's score, the mean over seeds."""
    return [statistics.fmean(values) for values in zip(*(run["each"] for run in runs), strict=True)]


def _mean(values: list[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return statistics.fmean(measured) if measured else None
