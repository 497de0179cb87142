"""A training run, from its config to its folder."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from captioner import builder, metrics
from captioner.builder.run_folder import DATA, check_folder, held, lasting, write_settings, write_start
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.photo_sources import decode, num_batches, photo_source, read_splits, with_placement
from captioner.data.batches import CaptionedPhotos, encode_references
from captioner.data.contract import Example, Splits, epoch_sizes
from captioner.data.folder import READ_TEXTS
from captioner.encoders.preprocess import open_photo
from captioner.errors import Interrupted, UserError
from captioner.features.sources import VIEWS, Source
from captioner.model import CaptionModel
from captioner.progress import Report, silent
from captioner.search import Caption
from captioner.text.tokens import TOKENS, leaves_whole
from captioner.text.vocabulary import Vocabulary
from captioner.training.distributed import Processes, number_type, precision_text, processes
from captioner.training.loop import Trainer
from captioner.training.plan import Changes, Progress, Validation, check_monitor, check_num_photos, check_reward
from captioner.training.run_log import RunLog, check_logs
from captioner.training.stopping import StopRequest

_SAMPLE = 1000  # photos, whose captions show the script


def train(
    config: str | Path,
    overrides: Sequence[str] = (),
    report: Report | Callable[..., object] = silent,
    change: bool = False,
) -> Path:
    """Train by the config, or resume a run that was stopped; returns the run's folder.

    Args:
        config: a config file, or the name of a config of the package, such as `drawn`.
        overrides: settings that replace those of the config, as `section.key=value`.
        report: receives the progress; a callable, as in version 0.1, works for one more release.
        change: go on with settings that differ from those of the run, where this is possible, as `captioner train --change` does.

    Raises:
        UserError: something in the config, the data or the folder does not fit; nothing was written.
        Interrupted: training was asked to stop; the same call resumes it.
    """
    report = report if isinstance(report, Report) else _of_callable(report)
    settings = builder.read(config, overrides)
    folder = Path(settings.run.folder or Path("runs") / Path(config).stem)
    stop = StopRequest()
    with stop.listening(), stop.at_once(), processes(settings.run.device) as here, ExitStack() as stack:
        report = stop.report = report if here.first else silent
        here.from_first(lambda: check_logs(settings.log.wandb, settings.log.tensorboard))
        here.from_first(lambda: check_folder(folder, settings, change))
        splits = read_splits(settings, report)
        _check_captions(splits, settings, report)
        check_num_photos(settings.run, sum(epoch_sizes(splits["train"]).values()), here.count)
        torch.manual_seed(settings.run.seed)
        vocabulary, model = builder.make_start(settings, splits, folder)
        model.to(here.device)
        builder.check_training_parts(settings, model, vocabulary, splits)

        def start() -> str:
            stack.enter_context(held(folder))
            check_folder(folder, settings, change)  # again, since another start may have been faster
            write_start(folder, settings, vocabulary, model)
            return _data_changes(folder, splits)

        changes = here.from_first(start)
        report.training_started(folder, len(splits["train"]), len(vocabulary), here.device)
        _note_parts(splits["train"], report)
        _note_start(settings, here, report, changes)
        make_trainer(settings, splits, vocabulary, model, folder, here, report, stop).run()
    report.training_finished(folder)
    return folder


def _of_callable(call: Callable[..., object]) -> Report:
    """A report whose events call `call(event, **values)`, with the names of Report's methods and of their arguments."""
    text = "a callable as report works for one release; give an instance of a subclass of captioner.progress.Report"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    report = Report()
    for name in [name for name in vars(Report) if not name.startswith("_")]:
        arguments = inspect.signature(getattr(report, name))
        setattr(report, name, lambda *a, n=name, s=arguments, **k: call(n, **s.bind(*a, **k).arguments))
    return report


def _note_parts(examples: Sequence[Example], report: Report) -> None:
    """Say how many photos an epoch takes from each part of joined data."""
    if any(example.part.name for example in examples):
        sizes = epoch_sizes(examples)
        parts = ", ".join(f"{size:,} of {name}" for name, size in sizes.items())
        report.note(f"an epoch has {sum(sizes.values()):,} photos: {parts}")


def _data_changes(folder: Path, splits: Splits) -> str:
    """What has changed since the run noted its data; it notes them at its first start."""
    from captioner.data.changes import changes_since, write_digests

    if (folder / DATA).exists():
        changes = changes_since(folder / DATA, splits)
        return changes and f"the data have changed since {folder} was started: {changes}; training goes on with them"
    write_digests(folder / DATA, splits)
    return ""


def _note_start(settings: Settings, here: Processes, report: Report, changes: str) -> None:
    """Say what has changed in the data, and where `mixed` is computed in float32."""
    if changes:
        report.note(changes)
    if settings.run.precision == "mixed" and number_type("mixed", here.device) == torch.float32:
        report.note(f"computing in {precision_text('mixed', here.device)}")


def _note_tokens(examples: Sequence[Example], settings: Settings, report: Report) -> None:
    """Say so if the tokeniser leaves captions of a script without spaces whole."""
    captions = [text for example in examples[:_SAMPLE] for text in example.references]
    if 5 * sum(leaves_whole(text, settings.data.tokens) for text in captions) > len(captions):
        report.note(
            f"the captions are in a script without spaces, which data.tokens={settings.data.tokens} does not cut into words; "
            "set data.tokens=characters"
        )


def _check_captions(splits: Splits, settings: Settings, report: Report) -> None:
    """Training and validation need captions with words."""
    split_words = TOKENS[settings.data.tokens]
    check_monitor(settings.run, len(splits.get("val", [])))
    check_reward(settings.objective.options, len(splits.get("train", [])))
    for split in ("train", "val"):
        examples = splits.get(split, [])
        empty = [example for example in examples if not any(map(split_words, example.references))]
        if empty or not examples:
            problem = (
                f"{len(empty)} of {len(examples)} photos without, first {empty[0].image}"
                if empty
                else f"photos in {', '.join(name for name in splits if splits[name]) or 'no split'}"
            )
            advice = READ_TEXTS if settings.data.kind == "folder" else "caption them or leave them out"
            raise UserError(f"training needs captions for every photo of {split}, got {problem}; {advice}")
    _note_tokens(splits["train"], settings, report)


def make_trainer(
    settings: Settings,
    splits: Splits,
    vocabulary: Vocabulary,
    model: CaptionModel,
    folder: Path,
    here: Processes,
    report: Report = silent,
    stop: StopRequest | None = None,
) -> Trainer:
    """The trainer with all its parts."""
    num_views = VIEWS[settings.data.augment]
    train_source, examples = photo_source(settings, model, splits["train"], "train", folder, report, num_views, here)
    val_source, val_examples = photo_source(settings, model, splits["val"], "val", folder, report, here=here)
    captions = encode_references(examples, vocabulary, settings.data.max_length)
    parts, mirrored = [example.part for example in examples], settings.objective.options.get("mirror", 0) > 0
    captioner = Captioner(model, vocabulary, builder.make_search(settings, vocabulary))
    stop = stop or StopRequest(report)
    validator = Validator(captioner, val_examples, val_source, here, settings.log.samples, stop)

    def log(progress: Progress, changes: Changes) -> RunLog:
        wandb, tensorboard = (
            settings.resolved if wanted else None for wanted in (settings.log.wandb, settings.log.tensorboard)
        )
        opened = RunLog(folder, progress.step, wandb, validator.sheets, progress.batch == 0, changes, tensorboard)
        write_settings(folder, settings)  # only now, since everything that could refuse them has accepted them
        return opened

    photos = partial(CaptionedPhotos, train_source, captions, model.encoder.frozen, num_views, parts, mirrored)
    objective = builder.make_objective(settings, model, vocabulary, examples, folder, here.first)
    objective.prepare(photos(), vocabulary, folder, settings.run.seed, here, report)
    return Trainer(
        objective=objective,
        optimiser=builder.make_optimiser(settings, model),
        schedule=builder.make_schedule(settings),
        photos=photos(settings.run.captions_per_photo),
        validate=validator,
        plan=settings.run,
        folder=folder,
        processes=here,
        log=log,
        report=report,
        frozen=model.encoder if model.encoder.frozen else None,
        stop=stop,
        settings=lasting(settings),
    )


@dataclass
class Validator:
    """Decodes the validation split, divided among the processes, and scores it."""

    captioner: Captioner
    examples: Sequence[Example]
    source: Source
    here: Processes
    num_samples: int = 4
    stop: StopRequest = field(default_factory=StopRequest)
    samples: list[Caption] = field(default_factory=list)

    def __call__(self) -> Validation:
        own = self.here.share(range(len(self.examples)))
        captions = decode(self.captioner, self.source, own, lambda captions: self._stop_together())
        for _ in range(num_batches(-(-len(self.examples) // self.here.count)) - num_batches(len(own))):
            self._stop_together()  # as often as the process with most batches
        shares = self.here.gather(captions)
        in_order = [shares[index % self.here.count][index // self.here.count] for index in range(len(self.examples))]
        self.samples = in_order[: self.num_samples]
        scores = score_captions(in_order, self.examples, self.captioner.vocabulary.tokens)
        from captioner.explain.shape import map_shape

        shape = map_shape(in_order)
        return Validation(scores, in_order, shape and shape.change, shape and shape.entropy)

    def _stop_together(self) -> None:
        """Stop if any process was asked to. One process alone is stopped without this, between any two of its batches."""
        if self.here.count > 1 and self.here.any(self.stop.asked):
            raise Interrupted

    def sheets(self) -> list[tuple[Image.Image, str]]:
        """The first photos with their maps."""
        from captioner.visualize.sheet import sheet

        pictures = []
        for index, caption in enumerate(self.samples):
            photo = open_photo(self.examples[index].image)
            pictures.append((sheet(photo, with_placement(caption, self.source, index)).picture(), caption.text))
        return pictures


def score_captions(captions: Sequence[Caption], examples: Sequence[Example], tokens: str) -> dict[str, float]:
    texts = {example.id: caption.text for example, caption in zip(examples, captions, strict=True)}
    return metrics.score(texts, {example.id: example.references for example in examples}, tokens)
