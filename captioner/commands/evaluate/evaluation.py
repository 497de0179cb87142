"""Evaluation of a run on a split: captions, scores with their protocol, and baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from captioner import builder, metrics
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.evaluate.baseline_captions import baseline_captions, mean_regions
from captioner.commands.evaluate.results_folder import PAGE, RESULTS, SCORES, Place, place_of, results_of
from captioner.commands.evaluate.run_protocol import protocol_of, scoring_tokens
from captioner.commands.evaluate.system import ScoredSystems
from captioner.commands.photo_sources import decode, photo_source, read_splits
from captioner.data.contract import Example, Splits
from captioner.data.instances import Instances, read_instances
from captioner.errors import UserError
from captioner.features.sources import Source
from captioner.files import unfinished
from captioner.metrics import Clip, ClipScorer, SystemScorer
from captioner.metrics.chair import check_names
from captioner.metrics.coco_scores import PhotoId
from captioner.metrics.java import BegunMeteor
from captioner.metrics.nltk_bleu import read_by
from captioner.progress import Report, silent
from captioner.search import Caption
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary

MODEL = "this model"
"""The name of the model's row; an ensemble's row says how many models it has."""


@dataclass(frozen=True)
class Evaluation(ScoredSystems):
    """The captions of a split and their scores."""

    split: str
    runs: Sequence[Path]  # one, or several that write as an ensemble
    folder: Path  # the files are written here
    examples: Sequence[Example]
    captions: Sequence[Caption]
    source: Source
    meteor: BegunMeteor | None = None  # of the captions, begun while they were written

    @property
    def name(self) -> str:
        """The name of the model's row."""
        return self.names[0]

    @property
    def title(self) -> str:
        """The page's title, with the names of the runs."""
        runs = " and ".join(run.resolve().name for run in self.runs)
        return f"{'ensemble of ' if len(self.runs) > 1 else ''}{runs} on {self.protocol.split}"

    @property
    def with_references(self) -> list[int]:
        """Indices of the photos with references, which can be scored."""
        return [index for index, example in enumerate(self.examples) if example.references]

    def texts(self) -> dict[PhotoId, str]:
        return {example.id: caption.text for example, caption in zip(self.examples, self.captions, strict=True)}

    def references(self) -> dict[PhotoId, list[str]]:
        return {self.examples[index].id: self.examples[index].references for index in self.with_references}

    def candidates(self) -> dict[PhotoId, list[str]] | None:
        """The beams or samples of each photo with references; None unless every photo has several."""
        texts = {
            self.examples[index].id: [text for text, _ in self.captions[index].candidates]
            for index in self.with_references
        }
        return texts if texts and all(len(candidates) > 1 for candidates in texts.values()) else None

    def save_captions(self) -> None:
        """Write results.json."""
        metrics.save_results(self.folder / RESULTS, self.texts())

    def save_scores(self) -> None:
        """Write scores.json."""
        metrics.save_scores(self.folder / SCORES, self.rows, self.protocol, self.intervals)


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
    out: Path | None = None,
) -> Evaluation:
    """Decode a split and score it; writes results.json and scores.json.

    Photos without references are captioned and not scored. Baselines and the share of new captions are of the training split of the
    run, also where another data set is scored.

    Args:
        overrides: settings to change, as `section.key=value`.
        baselines: also score the most frequent training caption and the captions of the nearest training photos, which needs the
            features of every training photo.
        java: score METEOR and SPICE if they can run; takes seconds to minutes.
        tokens: the tokeniser for scoring; by default the one of `scoring_tokens`.
        instances: the instances file, for CHAIR.
        others: runs that form an ensemble with this one.
        clip: a CLIP model's folder, or its name in the cache of transformers, for CLIPScore.
        out: the folder of the results. Default: one in the run's folder, which `place_of` names.
    """
    run, *others = runs = [builder.model_folder(folder) for folder in (run, *others)]
    settings = builder.read_run_settings(run, overrides)
    splits = read_splits(settings, report)
    check_split(splits, split, settings.data.kind)
    place = place_of(runs, split, settings, splits, out)
    objects = None if instances is None else _objects(instances, splits[split])
    captioner = builder.load(runs, device=settings.run.device, overrides=overrides)
    tokens = tokens or scoring_tokens(captioner.vocabulary.tokens)
    clip_model = None if clip is None else metrics.load_clip(clip, captioner.device, report)
    _check_tokens(tokens, objects)
    evaluation = _captioned(runs, splits[split], split, settings, captioner, tokens, place, report, java)
    with results_of(place, settings, [SCORES, PAGE]):
        evaluation.save_captions()  # before the scores are computed, which could fail
        if not evaluation.with_references:
            return evaluation
        settings, splits = (settings, splits) if place.own_data else _own_data(run, report)
        train = splits.get("train", [])
        systems = _systems(evaluation, captioner, settings, train if baselines else [], place.lists, report)
        scored = _scored(replace(evaluation, systems=systems), train, objects, java, clip_model, captioner.vocabulary)
        scored.save_scores()
    return scored


def _captioned(
    runs: Sequence[Path],
    photos: Sequence[Example],
    split: str,
    settings: Settings,
    captioner: Captioner,
    tokens: str,
    place: Place,
    report: Report,
    java: bool,
) -> Evaluation:
    """Caption the photos of a split. With `java`, METEOR of the first captions is computed while others are written."""
    if left := unfinished(place.folder):
        report.note(left.partition(";")[0])
    source, examples = photo_source(settings, captioner.model, photos, split, place.lists, report)
    referenced = _references([example for example in examples if example.references])
    meteor, done = metrics.begin_meteor(referenced, tokens) if java else None, iter(examples)

    def tick(batch: Sequence[Caption]) -> None:
        report.captions(split, len(batch), len(source))
        ids = [example.id for example in islice(done, len(batch))]
        if meteor is not None:
            meteor.add({photo: caption.text for photo, caption in zip(ids, batch, strict=True)})

    captions = decode(captioner, source, range(len(source)), tick, settings.run.seed)
    protocol = protocol_of(settings, place.title, referenced or _references(examples), tokens, runs)
    name = MODEL if len(runs) == 1 else f"ensemble of {len(runs)}"
    return Evaluation([name], {}, {}, protocol, split, runs, place.folder, examples, captions, source, meteor)


def _systems(
    evaluation: Evaluation,
    captioner: Captioner,
    settings: Settings,
    train: Sequence[Example],
    lists: Path,
    report: Report,
) -> dict[str, dict[PhotoId, str]]:
    """The captions of the model, and of the baselines if there are training examples; of photos with references."""
    references, texts = evaluation.references(), evaluation.texts()
    systems = {evaluation.name: {photo: texts[photo] for photo in references}}
    if not train:
        return systems
    train_source, readable = photo_source(settings, captioner.model, train, "train", lists, report)
    features = mean_regions(captioner, evaluation.source, report, evaluation.split)[evaluation.with_references]
    train_features = mean_regions(captioner, train_source, report, "train")
    captions, tokens = [example.references for example in readable], evaluation.protocol.tokens
    return systems | baseline_captions(references, _references(train), features, train_features, captions, tokens)


def _scored(
    evaluation: Evaluation,
    train: Sequence[Example],
    objects: Instances | None,
    java: bool,
    clip: Clip | None,
    vocabulary: Vocabulary,
) -> Evaluation:
    """Score every system; METEOR, SPICE and diversity are computed for the model only."""
    references, photos = evaluation.references(), {example.id: example.image for example in evaluation.examples}
    clip_scorer = None if clip is None else ClipScorer(clip, photos, references)
    tokens, words = evaluation.protocol.tokens, read_by(vocabulary)
    scorer = SystemScorer(references, tokens, _references(train) or None, objects, clip_scorer, words)
    scores = {}
    for name, captions in evaluation.systems.items():
        own = name == evaluation.name
        candidates, begun = (evaluation.candidates(), evaluation.meteor) if own else (None, None)
        scores[name] = scorer(captions, candidates, java and own, begun)
    scorers = metrics.scorers(
        scores[evaluation.name].scores, "" if clip is None else clip.source, "as the model reads them"
    )
    return replace(evaluation, system_scores=scores, protocol=replace(evaluation.protocol, scorers=scorers))


def check_split(splits: Splits, split: str, kind: str = "") -> None:
    """Refuse a split that does not exist or is empty."""
    if not splits.get(split):
        names = ", ".join(name for name in splits if splits[name])
        named = f"; name its captions file with data.splits=[{split}] data.captions=NAME.json" if kind == "coco" else ""
        raise UserError(f"the data has no split {split!r} with photos; it has {names}{named}")


def _own_data(run: Path, report: Report) -> tuple[Settings, Splits]:
    """The settings and the data of a run; no data, with a note, if it is no longer there."""
    settings = builder.read_run_settings(run)
    try:
        return settings, read_splits(settings, report)
    except UserError as error:
        report.note(
            f"baselines and the share of new captions are left out, since the run's own data is not there: {error}"
        )
        return settings, {}


def _check_tokens(tokens: str, objects: Instances | None) -> None:
    """Refuse a tokeniser that is unknown, or with which captions name no objects, before anything is computed."""
    metrics.word_rule(tokens)
    if objects is not None:
        check_names(ObjectWords(objects.categories), tokens)


def _objects(instances: Path, examples: Sequence[Example]) -> Instances:
    """The objects of the photos with references."""
    objects = read_instances(instances)
    metrics.check_instances([example.id for example in examples if example.references], objects)
    return objects


def _references(examples: Sequence[Example]) -> dict[PhotoId, list[str]]:
    return {example.id: example.references for example in examples}
