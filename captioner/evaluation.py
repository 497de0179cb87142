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
    rows: dict[str, dict[str, float]]  # none where the split has no references
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
    if not splits.get(split):
        known = ", ".join(name for name in splits if splits[name])
        raise UserError(f"the data has no split {split!r} with photos; it has {known}")
    captioner = build.load(run, device=settings["run"]["device"], overrides=overrides)
    source, examples = photo_source(settings, captioner.model, splits[split], split, run, report)
    captions = decode(
        captioner,
        source,
        range(len(source)),
        lambda count: report("decode", split=split, count=count, total=len(source)),
    )
    referenced = [example for example in examples if example.references] or examples
    folder, protocol = _folder(run, split, settings), _protocol(settings, split, referenced, captioner)
    evaluation = Evaluation(split, folder, examples, captions, source, {}, protocol)
    evaluation.save()  # before the scores, which could fail
    if evaluation.with_references:
        evaluation.rows.update(_rows(evaluation, splits, captioner.vocabulary.tokens, java))
        if baselines and splits.get("train"):
            train_source, train = photo_source(settings, captioner.model, splits["train"], "train", run, report)
            pooled = _pool(captioner, train_source, report, "train"), _pool(captioner, source, report, split)
            evaluation.rows.update(_neighbours(evaluation, train, *pooled, captioner.vocabulary.tokens))
    evaluation.save()
    return evaluation


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


def _rows(evaluation: Evaluation, splits: Splits, tokens: str, java: bool) -> dict[str, dict[str, float]]:
    """The model's scores, and those of the most frequent training caption."""
    references = evaluation.references()
    texts = {photo: text for photo, text in evaluation.texts().items() if photo in references}
    train = {example.id: example.references for example in splits.get("train", [])}
    ours = metrics.score(texts, references, tokens)
    if java:
        ours |= metrics.java_scores(texts, references, tokens)
    if not train:
        return {MODEL: ours}
    seen = {metrics.IN_TRAINING: metrics.seen_share(texts, train, tokens)}
    return {MODEL: ours | seen, **metrics.baselines(train, references, tokens)}


def _neighbours(
    evaluation: Evaluation, train: Sequence[Example], train_features: Tensor, features: Tensor, tokens: str
) -> dict[str, dict[str, float]]:
    """The scores of what training says about the photos that look most alike."""
    features, references = features[evaluation.with_references], evaluation.references()
    captions = metrics.neighbours_captions(features, train_features, [example.references for example in train], tokens)
    return {metrics.NEAREST: metrics.score(dict(zip(references, captions, strict=True)), references, tokens)}


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
        decoding=f"{search['kind']} {search.get('beams', '')}".strip(),
        length_rule=search.get("length_rule", "none"),
        unknown=search["unknown"],
        seed=settings["run"]["seed"],
    )
