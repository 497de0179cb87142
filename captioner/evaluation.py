"""What a trained model is worth on a split: captions, scores with their protocol, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captioner import build, metrics
from captioner.config import Settings
from captioner.data.coco import read_references, read_results
from captioner.data.contract import Example, Splits
from captioner.encoders.sources import Source
from captioner.errors import UserError
from captioner.metrics.report import Protocol
from captioner.photos import Report, decode, photo_source, read_splits, silent
from captioner.regions import Regions
from captioner.search import Caption, Captioner

_POOL_BATCH = 64
MODEL = "this model"
"""The name of the model's row."""


@dataclass(frozen=True)
class Evaluation:
    """A split's captions and what they are worth."""

    split: str
    folder: Path  # what is written goes there
    examples: Sequence[Example]
    captions: Sequence[Caption]
    source: Source
    systems: dict[
        str, dict[int | str, str]
    ]  # captions of the photos that can be scored, by this model and by the baselines
    rows: dict[str, dict[str, float]]  # what each of them is worth
    protocol: Protocol

    @property
    def with_references(self) -> list[int]:
        """Places of the photos that can be scored."""
        return [place for place, example in enumerate(self.examples) if example.references]

    def texts(self) -> dict[int | str, str]:
        return {example.id: caption.text for example, caption in zip(self.examples, self.captions, strict=True)}

    def references(self) -> dict[int | str, list[str]]:
        return {self.examples[place].id: self.examples[place].references for place in self.with_references}

    def save(self) -> None:
        """Write results.json, and scores.json where there are scores."""
        metrics.save_results(self.folder / "results.json", self.texts())
        if self.rows:
            metrics.save_scores(self.folder / "scores.json", self.rows, self.protocol)
        else:
            (self.folder / "scores.json").unlink(missing_ok=True)  # those of other captions


def evaluate(
    run: Path,
    split: str = "val",
    overrides: Sequence[str] = (),
    report: Report = silent,
    baselines: bool = True,
    java: bool = True,
) -> Evaluation:
    """Decode a split and score it; writes results.json and scores.json into the run's folder, under the split's name.

    Photos without references are captioned and not scored. `baselines` says whether to score, beside the model, the most frequent
    training caption and what training says about the most similar photos, which needs every training photo's features;
    `java` whether to score METEOR where there is Java, which takes some seconds.
    """
    settings = build.read_run_settings(run, overrides)
    splits = read_splits(settings, report)
    check_split(splits, split)
    captioner = build.load(run, device=settings["run"]["device"], overrides=overrides)
    source, examples = photo_source(settings, captioner.model, splits[split], split, run, report)
    captions = decode(
        captioner,
        source,
        range(len(source)),
        lambda count: report("decode", split=split, count=count, total=len(source)),
        settings["run"]["seed"],
    )
    referenced = [example for example in examples if example.references] or examples
    folder, protocol = _folder(run, split, settings), _protocol(settings, split, referenced, captioner)
    evaluation = Evaluation(split, folder, examples, captions, source, {}, {}, protocol)
    evaluation.save()  # before the scores, which could fail
    if evaluation.with_references:
        texts = evaluation.texts()
        evaluation.systems[MODEL] = {photo: texts[photo] for photo in evaluation.references()}
        if baselines and splits.get("train"):
            train_source, train = photo_source(settings, captioner.model, splits["train"], "train", run, report)
            pooled = _pool(captioner, train_source, report, "train"), _pool(captioner, source, report, split)
            evaluation.systems.update(_baselines(evaluation, splits["train"], train, *pooled))
        evaluation.rows.update(_rows(evaluation, splits.get("train", []), java))
    evaluation.save()
    return evaluation


def check_split(splits: Splits, split: str) -> None:
    """Complain about a split that is not there, or empty."""
    if not splits.get(split):
        known = ", ".join(name for name in splits if splits[name])
        raise UserError(f"the data has no split {split!r} with photos; it has {known}")


def _folder(run: Path, split: str, settings: Settings) -> Path:
    """The split's own; where other data than the run's were asked for, they have one beside it."""
    own = build.read_run_settings(run)["data"]["kind"] == settings["data"]["kind"]
    return run / (split if own else f"{split}-{Path(settings['data']['root']).name}")


def score_files(
    results: Path, captions: Path, train: Path | None = None, tokens: str = "simple"
) -> tuple[dict[str, dict[str, float]], Protocol]:
    """Score a file in COCO's result format against a captions file; a training captions file adds the baseline.

    Raises:
        UserError: a file is not as COCO has it, or captions and references are not of the same images.
    """
    written, references = read_results(results), read_references(captions)
    rows = {str(results): metrics.score(written, references, tokens) | metrics.java_scores(written, references, tokens)}
    if train is not None:
        seen = read_references(train)
        rows[str(results)][metrics.IN_TRAINING] = metrics.seen_share(written, seen, tokens)
        rows |= metrics.baselines(seen, references, tokens)
    protocol = Protocol(captions.name, len(references), metrics.count_references(references), tokens, "as given")
    return rows, protocol


def _rows(evaluation: Evaluation, train: Sequence[Example], java: bool) -> dict[str, dict[str, float]]:
    """Every system's scores; the model's own METEOR too, and its share of captions that stand in training."""
    references, tokens = evaluation.references(), evaluation.protocol.tokens
    rows = {name: metrics.score(captions, references, tokens) for name, captions in evaluation.systems.items()}
    written = evaluation.systems[MODEL]
    if java:
        rows[MODEL] |= metrics.java_scores(written, references, tokens)
    if train:
        rows[MODEL][metrics.IN_TRAINING] = metrics.seen_share(written, _references(train), tokens)
    return rows


def _baselines(
    evaluation: Evaluation, train: Sequence[Example], seen: Sequence[Example], seen_features: Tensor, features: Tensor
) -> dict[str, dict[int | str, str]]:
    """Captions without a captioner: the most frequent of training, and what training says about the photos that look most alike.

    Args:
        train: all training photos.
        seen: those of them that can be looked at.
        seen_features: their mean regions (N, D).
        features: of the evaluated photos (M, D).
    """
    references, tokens = evaluation.references(), evaluation.protocol.tokens
    most_frequent = metrics.most_frequent_caption(_references(train), tokens)
    copied = metrics.neighbours_captions(
        features[evaluation.with_references], seen_features, [example.references for example in seen], tokens
    )
    return {
        metrics.MOST_FREQUENT: dict.fromkeys(references, most_frequent),
        metrics.NEAREST: dict(zip(references, copied, strict=True)),
    }


def _references(examples: Sequence[Example]) -> dict[int | str, list[str]]:
    return {example.id: example.references for example in examples}


@torch.inference_mode()
def _pool(captioner: Captioner, source: Source, report: Report, split: str) -> Tensor:
    """(N, D): the mean region of every photo of a source."""
    encoder, means = captioner.model.encoder, []
    for start in range(0, len(source), _POOL_BATCH):
        batch = source(range(start, min(start + _POOL_BATCH, len(source)))).to(captioner.device)
        regions = batch if isinstance(batch, Regions) else encoder(batch)
        means.append(regions.to(dtype=torch.float32).mean().cpu())
        report("compare", split=split, count=len(means[-1]), total=len(source))
    return torch.cat(means)


def _protocol(settings: Settings, split: str, examples: Sequence[Example], captioner: Captioner) -> Protocol:
    search = settings["search"]
    return Protocol(
        split=split,
        num_photos=len(examples),
        num_references=metrics.count_references({example.id: example.references for example in examples}),
        tokens=captioner.vocabulary.tokens,
        decoding=_decoding(search),
        length_rule=search.get("length_rule", "none"),
        unknown=search["unknown"],
        reward=_reward(settings["objective"]),
        seed=settings["run"]["seed"],
    )


_SAID_ELSEWHERE = {"kind", "length_rule", "unknown", "max_length"}
_USUAL = {"min_length": 1, "no_repeat": 0, "bad_endings": "allow", "temperature": 1.0, "top_k": 0, "top_p": 1.0}


def _decoding(search: Settings) -> str:
    """The way of decoding with its own numbers, and the limits that are not the usual ones."""
    told = {key: value for key, value in search.items() if key not in _SAID_ELSEWHERE and value != _USUAL.get(key)}
    if search["kind"] == "beam":
        return " ".join(["beam", str(told.pop("beams")), *(f"{key} {value}" for key, value in told.items())])
    return " ".join([search["kind"], *(f"{key} {value}" for key, value in told.items())])


def _reward(objective: Settings) -> str:
    """What the model was trained to be rewarded for, if it was; the end mark is always a word of it."""
    parts = [f"{objective[name]:g} {name}" for name in ("cider", "bleu") if objective.get(name)]
    return f"{' + '.join(parts)}, end mark included" if parts else ""
