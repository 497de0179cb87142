"""Runs: a training from its config to its folder.

A run's folder holds settings.yaml, vocabulary.json, log.jsonl, newest.safetensors, best.safetensors, and encoder.safetensors where the
encoder is frozen: all that captioning needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from captioner import build, metrics
from captioner.config import Settings, read_settings
from captioner.data.batches import CaptionedPhotos, encode_references
from captioner.data.contract import Example, Splits
from captioner.data.doctor import Finding, examine
from captioner.encoders.preprocess import open_photo
from captioner.encoders.sources import PhotoFiles, StoredRegions, store_regions
from captioner.encoders.store import FeatureStore, store_row_bytes
from captioner.encoders.views import VIEWS
from captioner.errors import UserError
from captioner.files import remove_unfinished, write_text_atomically
from captioner.model import CaptionModel
from captioner.search import Caption, Captioner
from captioner.training.checkpoints import load_checkpoint, model_tensors, save_checkpoint
from captioner.training.distributed import Processes, processes
from captioner.training.loop import BEST, NEWEST, Trainer
from captioner.training.optimisation import mixed_precision
from captioner.training.plan import Validation, check_batch_size
from captioner.training.run_log import RunLog
from captioner.visualize.sheet import sheet
from captioner.vocabulary import Vocabulary

Report = Callable[..., None]
_FREE = {
    "run": {"folder", "device", "features", "workers", "save_minutes"},
    "log": {"wandb", "project", "samples"},
    "data": {"root"},
}
"""Settings that may differ when a run goes on: they do not change what is learned."""
_DECODE_BATCH = 32


def silent(event: str, **values: Any) -> None:
    """A report that shows nothing."""


def train(config: Path, overrides: Sequence[str] = (), report: Report = silent) -> Path:
    """Train as the config says, or go on where an earlier start was stopped; returns the run's folder.

    Raises:
        UserError: something in the config, the data or the folder does not fit; nothing was written.
        Interrupted: asked to stop; the same call goes on.
    """
    settings = build.resolve(read_settings(config, overrides))
    folder = Path(settings["run"]["folder"] or Path("runs") / config.stem)
    _check_folder(folder, settings)
    with processes(settings["run"]["device"]) as here:
        report = report if here.first else silent
        splits = read_splits(settings, report)
        _check_captions(splits)
        check_batch_size(build.make_plan(settings), len(splits["train"]), here.count)
        torch.manual_seed(settings["run"]["seed"])
        vocabulary = build.make_vocabulary(settings, splits)
        model = build.make_model(settings, vocabulary).to(here.device)
        if here.first:
            _write_start(folder, settings, vocabulary, model)
        here.wait()
        report("start", folder=folder, photos=len(splits["train"]), vocabulary=len(vocabulary), device=here.device)
        make_trainer(settings, splits, vocabulary, model, folder, here, report).run()
    report("end", folder=folder)
    return folder


def read_splits(settings: Settings, report: Report = silent) -> Splits:
    """The splits of the data; photos that are left out because they are missing are reported."""
    splits, missing = build.make_splits(settings)
    if missing:
        report("missing", photos=missing)
    return splits


def diagnose(
    config: Path, overrides: Sequence[str] = (), report: Report = silent
) -> tuple[list[Finding], dict[str, Any]]:
    """What a training by this config would stumble over; and the sizes of what it would train on."""
    settings = build.resolve(read_settings(config, overrides))
    splits = build.make_all_splits(settings)
    vocabulary = build.make_vocabulary(settings, splits)
    encoder = build.make_encoder(settings, download=False)
    rows = VIEWS[settings["data"]["augment"]] * len(splits["train"]) + len(splits.get("val", []))
    sizes = {
        "photos": {split: len(examples) for split, examples in splits.items()},
        "captions": {split: sum(len(example.references) for example in examples) for split, examples in splits.items()},
        "vocabulary": len(vocabulary),
        "regions": f"{encoder.layout.num_regions} of {encoder.region_size:,} numbers",
        "feature store": f"{rows * store_row_bytes(encoder) / 2**20:,.1f} MiB"
        if encoder.frozen
        else "none: the encoder trains",
    }
    tick = partial(_tick, report)
    return examine(splits, vocabulary, settings["data"]["max_length"], open_photo, tick), sizes


def _tick(report: Report, done: int, total: int) -> None:
    report("examine", done=done, total=total)


def _check_captions(splits: Splits) -> None:
    """Training needs captions, and so does watching it."""
    for split in ("train", "val"):
        examples = splits.get(split, [])
        bare = [example for example in examples if not any(example.references)]
        if bare or not examples:
            came = f"{len(bare)} of {len(examples)} photos without, first {bare[0].image}" if bare else "no photo"
            raise UserError(
                f"training needs captions for every photo of {split}, got {came}; caption them or leave them out"
            )


def make_trainer(
    settings: Settings,
    splits: Splits,
    vocabulary: Vocabulary,
    model: CaptionModel,
    folder: Path,
    here: Processes,
    report: Report = silent,
) -> Trainer:
    """Every part that training needs, finished."""
    num_views = VIEWS[settings["data"]["augment"]]
    train_source, examples = photo_source(
        settings, model, splits["train"], "train", folder, report, num_views, here.first
    )
    val_source, val_examples = photo_source(settings, model, splits["val"], "val", folder, report, compute=here.first)
    captions = encode_references(examples, vocabulary, settings["data"]["max_length"])
    captioner = Captioner(model, vocabulary, build.make_search(settings))
    validator = Validator(captioner, val_examples, val_source, here, settings["log"]["samples"])
    log = settings["log"]
    return Trainer(
        objective=build.make_objective(settings, model),
        optimiser=build.make_optimiser(settings, model),
        schedule=build.make_schedule(settings),
        photos=CaptionedPhotos(train_source, captions, by_length=model.encoder.frozen, num_views=num_views),
        validate=validator,
        plan=build.make_plan(settings),
        folder=folder,
        processes=here,
        log=lambda step: RunLog(folder, step, log["wandb"], log["project"], settings, validator.sheets),
        report=report,
        frozen=model.encoder if model.encoder.frozen else None,
    )


def photo_source(
    settings: Settings,
    model: CaptionModel,
    examples: Sequence[Example],
    split: str,
    folder: Path,
    report: Report = silent,
    num_views: int = 1,
    compute: bool = True,
) -> tuple[PhotoFiles | StoredRegions, Sequence[Example]]:
    """The photos themselves for an encoder that trains, stored regions for a frozen one; and the examples they are of.

    Regions that are not stored yet are computed here, or waited for where another process of this run computes them.

    Photos that cannot be read have no regions: they are reported, listed in the run's folder, and left out.
    """
    files = PhotoFiles([example.image for example in examples], model.encoder.preprocess)
    if not model.encoder.frozen:
        return files, examples
    precision = mixed_precision(model.device) if settings["run"]["precision"] == "mixed" else torch.float32
    root, name = Path(settings["run"]["features"]), settings["encoder"]["kind"]
    store = FeatureStore.of(model.encoder, root, name, precision)
    told = partial(report, split=split)
    source, unreadable = store_regions(model.encoder, files, store, num_views, report=told, compute=compute)
    if unreadable and compute:
        listed = folder / f"unreadable_{split}.txt"
        write_text_atomically(listed, "".join(f"{files.paths[index]}: {why}\n" for index, why in unreadable.items()))
        report("unreadable", split=split, listed=listed, reasons=list(unreadable.values()))
    if not source.rows:
        raise UserError(f"no photo of {split} can be read; the list is in {folder / f'unreadable_{split}.txt'}")
    return source, [example for index, example in enumerate(examples) if index not in unreadable]


@dataclass
class Validator:
    """Decodes the validation split, shared out over the processes, and scores it."""

    captioner: Captioner
    examples: Sequence[Example]
    source: PhotoFiles | StoredRegions
    here: Processes
    num_samples: int = 4
    samples: list[Caption] = field(default_factory=list)

    def __call__(self) -> Validation:
        mine = range(self.here.rank, len(self.examples), self.here.count)
        captions = decode(self.captioner, self.source, list(mine))
        shares = self.here.gather(captions)
        in_order = [shares[index % self.here.count][index // self.here.count] for index in range(len(self.examples))]
        self.samples = in_order[: self.num_samples]
        return Validation(score_captions(in_order, self.examples, self.captioner.vocabulary.tokens), in_order)

    def sheets(self) -> list[tuple[Image.Image, str]]:
        """The first photos with their maps."""
        pictures = []
        for index, caption in enumerate(self.samples):
            photo = open_photo(self.examples[index].image)
            pictures.append((sheet(photo, with_placement(caption, self.source, index)), caption.text))
        return pictures


def decode(
    captioner: Captioner,
    source: PhotoFiles | StoredRegions,
    indices: Sequence[int],
    tick: Callable[[int], None] = lambda count: None,
) -> list[Caption]:
    """Captions of some photos of a source, without their placements."""
    captions: list[Caption] = []
    for start in range(0, len(indices), _DECODE_BATCH):
        batch = indices[start : start + _DECODE_BATCH]
        captions += captioner.captions_of(source(batch))
        tick(len(batch))
    return captions


def with_placement(caption: Caption, source: PhotoFiles | StoredRegions, index: int) -> Caption:
    """The caption with the record of how the network's view lies on its photo."""
    return replace(caption, placement=source.placement(index))


def score_captions(captions: Sequence[Caption], examples: Sequence[Example], tokens: str) -> dict[str, float]:
    texts = {example.id: caption.text for example, caption in zip(examples, captions, strict=True)}
    return metrics.score(texts, {example.id: example.references for example in examples}, tokens)


def _check_folder(folder: Path, settings: Settings) -> None:
    """Refuse a folder that this training cannot go on in, before anything is computed."""
    if (folder / build.SETTINGS).exists():
        _check_same(folder, settings)
        if (folder / NEWEST).exists() and load_checkpoint(folder / NEWEST)[1]["progress"]["finished"]:
            raise UserError(
                f"{folder} is a finished run; score it with `python eval.py {folder}`, or give run.folder=... to train another"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files and no run; give run.folder=... another name, or empty it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(folder / ".writable", "")
        (folder / ".writable").unlink()
        if not any(folder.iterdir()):
            folder.rmdir()  # until there is something to keep
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error}); give run.folder=... a place that you may write to"
        ) from error


def _check_same(folder: Path, settings: Settings) -> None:
    earlier = build.read_run_settings(folder)
    for section, values in settings.items():
        for key in values.keys() | earlier[section].keys():
            before, now = (found[section].get(key, "nothing") for found in (earlier, settings))
            if before != now and key not in _FREE.get(section, ()):
                raise UserError(
                    f"{folder} was started with {section}.{key}={before}, now it is {now}; give run.folder=... for a new run, "
                    "or go back to the earlier settings to go on with this one"
                )


def _write_start(folder: Path, settings: Settings, vocabulary: Vocabulary, model: CaptionModel) -> None:
    """What never changes during a run; a start that was killed in between is simply made again."""
    write_text_atomically(folder / build.SETTINGS, build.save_settings(settings))  # first: it marks the folder as a run
    remove_unfinished(folder)
    if model.encoder.frozen and not (folder / build.ENCODER).exists():
        save_checkpoint(folder / build.ENCODER, model_tensors(model.encoder), {})
    vocabulary.save(folder / build.VOCABULARY)


def has_finished(folder: Path) -> bool:
    """Whether a run's training has come to its end."""
    return (folder / BEST).exists() and load_checkpoint(folder / NEWEST)[1]["progress"]["finished"]
