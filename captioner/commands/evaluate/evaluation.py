"""A run on a split: captions, scores with their protocol, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from captioner import builder, metrics
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.evaluate.baseline_captions import baselines as baseline_captions
from captioner.commands.evaluate.baseline_captions import pool
from captioner.commands.evaluate.run_protocol import protocol_of, scoring_tokens
from captioner.commands.evaluate.system import Judged
from captioner.commands.photo_sources import decode, photo_source, read_splits
from captioner.data.contract import Example, Splits
from captioner.data.instances import Instances, read_instances
from captioner.errors import UserError
from captioner.features.sources import Source
from captioner.metrics import Clip, ClipScorer, SystemScorer
from captioner.metrics.scores import PhotoId
from captioner.progress import Report, silent
from captioner.search import Caption

MODEL = "this model"
"""The name of the model's row; an ensemble's says how many write together."""
PAGE = "report.html"


@dataclass(frozen=True)
class Evaluation(Judged):
    """A split's captions and what they are worth."""

    split: str
    runs: Sequence[Path]  # one, or those that write together
    folder: Path  # what is written goes there
    examples: Sequence[Example]
    captions: Sequence[Caption]
    source: Source

    @property
    def name(self) -> str:
        """Of the model's row."""
        return self.names[0]

    @property
    def title(self) -> str:
        """By the names of the runs."""
        runs = " and ".join(run.resolve().name for run in self.runs)
        return f"{'ensemble of ' if len(self.runs) > 1 else ''}{runs} on {self.split}"

    @property
    def with_references(self) -> list[int]:
        """Places of the photos that can be scored."""
        return [place for place, example in enumerate(self.examples) if example.references]

    def texts(self) -> dict[PhotoId, str]:
        return {example.id: caption.text for example, caption in zip(self.examples, self.captions, strict=True)}

    def references(self) -> dict[PhotoId, list[str]]:
        return {self.examples[place].id: self.examples[place].references for place in self.with_references}

    def several(self) -> dict[PhotoId, list[str]] | None:
        """The beams or samples of each photo that can be scored, where there are two or more of each."""
        found = {
            self.examples[place].id: [text for text, _ in self.captions[place].candidates]
            for place in self.with_references
        }
        return found if found and all(len(texts) > 1 for texts in found.values()) else None

    def save(self) -> None:
        """Write results.json, and scores.json where there are scores; a page of other captions is removed."""
        metrics.save_results(self.folder / "results.json", self.texts())
        (self.folder / PAGE).unlink(missing_ok=True)
        if self.rows:
            metrics.save_scores(self.folder / "scores.json", self.rows, self.protocol, self.intervals)
        else:
            (self.folder / "scores.json").unlink(missing_ok=True)  # those of other captions


def evaluate(
    run: Path,
    split: str = "val",
    overrides: Sequence[str] = (),
    report: Report = silent,
    baselines: bool = True,
    java: bool = True,
    tokens: str | None = None,
    instances: Path | None = None,
    others: Sequence[Path] = (),
    clip: str | None = None,
) -> Evaluation:
    """Decode a split and score it; writes results.json and scores.json into the run's folder, under the split's name.

    Photos without references are captioned and not scored.

    Args:
        baselines: whether to score, beside the model, the most frequent training caption and what training says about the most
            similar photos, which needs every training photo's features.
        java: whether to score METEOR and SPICE where they can run, which takes some seconds, or minutes.
        tokens: what cuts captions into words for scoring: `ptb` where the model's words have spaces between them, unless told.
        instances: a file of the photos' objects, for CHAIR.
        others: runs that write with this one, as an ensemble.
        clip: a CLIP model's folder, or its name in the cache of transformers, for CLIPScore.
    """
    settings, runs = builder.read_run_settings(run, overrides), [run, *others]
    splits = read_splits(settings, report)
    check_split(splits, split)
    objects = None if instances is None else read_instances(instances)
    if objects is not None:
        metrics.check_instances([example.id for example in splits[split] if example.references], objects)
    captioner = builder.load(runs, device=settings.run.device, overrides=overrides)
    tokens = tokens or scoring_tokens(captioner.vocabulary.tokens)
    seer = None if clip is None else metrics.load_clip(clip, captioner.device, report)
    metrics.word_rule(tokens)  # complains, before anything is computed, about one that is not there
    source, examples = photo_source(settings, captioner.model, splits[split], split, run, report)
    captions = decode(
        captioner,
        source,
        range(len(source)),
        partial(report.captions, split, total=len(source)),
        settings.run.seed,
    )
    referenced = _references([example for example in examples if example.references] or examples)
    protocol = protocol_of(settings, split, referenced, tokens, runs)
    name = MODEL if len(runs) == 1 else f"ensemble of {len(runs)}"
    folder = _folder(runs, split, settings)
    evaluation = Evaluation([name], {}, {}, protocol, split, runs, folder, examples, captions, source)
    evaluation.save()  # before the scores, which could fail
    if not evaluation.with_references:
        return evaluation
    texts, train = evaluation.texts(), splits.get("train", [])
    systems = {name: {photo: texts[photo] for photo in evaluation.references()}}
    if baselines and train:
        train_source, seen = photo_source(settings, captioner.model, train, "train", run, report)
        systems |= _baselines(evaluation, captioner, train, train_source, seen, report)
    return _judged(replace(evaluation, systems=systems), train, objects, java, seer)


def _baselines(
    evaluation: Evaluation,
    captioner: Captioner,
    train: Sequence[Example],
    train_source: Source,
    seen: Sequence[Example],
    report: Report,
) -> dict[str, dict[PhotoId, str]]:
    """Captions without a captioner; of the training photos those in `train_source` can be looked at, which are of the examples `seen`."""
    features = pool(captioner, evaluation.source, report, evaluation.split)[evaluation.with_references]
    seen_features = pool(captioner, train_source, report, "train")
    captions, tokens = [example.references for example in seen], evaluation.protocol.tokens
    return baseline_captions(evaluation.references(), _references(train), features, seen_features, captions, tokens)


def _judged(
    evaluation: Evaluation, train: Sequence[Example], objects: Instances | None, java: bool, clip: Clip | None
) -> Evaluation:
    """With every system's scores, and saved; the model has METEOR and SPICE and the diversity of its captions too."""
    references, photos = evaluation.references(), {example.id: example.image for example in evaluation.examples}
    seen = None if clip is None else ClipScorer(clip, photos, references)
    judge = SystemScorer(references, evaluation.protocol.tokens, _references(train) or None, objects, seen)
    worths = {}
    for name, captions in evaluation.systems.items():
        own = name == evaluation.name
        worths[name] = judge(captions, evaluation.several() if own else None, java and own)
    scorers = metrics.scorers(worths[evaluation.name].scores, "" if clip is None else clip.source)
    evaluation = replace(evaluation, worths=worths, protocol=replace(evaluation.protocol, scorers=scorers))
    evaluation.save()
    return evaluation


def check_split(splits: Splits, split: str) -> None:
    """Complain about a split that is not there, or empty."""
    if not splits.get(split):
        known = ", ".join(name for name in splits if splits[name])
        raise UserError(f"the data has no split {split!r} with photos; it has {known}")


def _folder(runs: Sequence[Path], split: str, settings: Settings) -> Path:
    """The split's own; where other data than the run's were asked for, or several runs write together, they have one beside it."""
    run, *others = runs
    own = builder.read_run_settings(run).data.kind == settings.data.kind
    name = split if own else f"{split}-{Path(settings.data.options['root']).name}"
    return run / "-with-".join([name, *(other.resolve().name for other in others)])


def _references(examples: Sequence[Example]) -> dict[PhotoId, list[str]]:
    return {example.id: example.references for example in examples}
