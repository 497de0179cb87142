"""The run folder: its files, checks before training, and reading settings and weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from captioner.builder.config import Nested, check_keys, parse_override, single_keys
from captioner.builder.schema import SECTIONS, read, save_settings
from captioner.builder.sections import Settings
from captioner.encoders import Vision
from captioner.errors import UserError, system_error, system_errors
from captioner.files import remove_unfinished, try_writing, write_text_atomically
from captioner.model import CaptionModel
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import (
    BEST,
    NEWEST,
    checkpoint_state,
    fill_model,
    load_checkpoint,
    model_tensors,
    save_checkpoint,
    tensors_of,
)

SETTINGS, VOCABULARY, ENCODER = "settings.yaml", "vocabulary.json", "encoder.safetensors"
FREQUENCIES, DATA, LOCK = "document_frequencies.npz", "data_digests.npz", ".lock"
FILES = {
    "settings.yaml": "the resolved settings",
    "vocabulary.json": "words and tokeniser",
    "log.jsonl": "one JSON line per start, logged step and validation",
    "newest.safetensors": "all that training continues from: weights, average, objective, optimiser, schedule, scaler, progress",
    "best.safetensors": "the weights with the best validation score; these are loaded",
    "encoder.safetensors": "the frozen encoder, stored once; absent if the encoder is trained",
    "document_frequencies.npz": "document frequencies of the reward; only with `objective.kind=self_critical`",
    "word_evidence.safetensors": "where words could be seen, learned from the captions; only with `objective.evidence` above 0",
    "data_digests.npz": "a digest of each photo and its captions, to see what has changed when the run is resumed",
    "unreadable_SPLIT.txt": "photos that could not be read, with the reason; only if there are any",
    ".lock": "keeps a second training run out of the folder",
    "wandb/": "only with `log.wandb=true`; `WANDB_DIR` puts it elsewhere",
    "wandb_id.txt": "the id of the run at Weights & Biases; only with `log.wandb=true`",
    "SPLIT/results.json": "`captioner eval`: the captions, in COCO's result format",
    "SPLIT/scores.json": "`captioner eval`: scores, intervals and protocol; only if there are references",
    "SPLIT/report.html": "`captioner eval`: a page with every photo; not with `--no-page`",
    "SPLIT/unfinished.txt": "`captioner eval`: while the files beside it are written; what is killed leaves it",
    "SPLIT-with-RUN/": "`captioner eval --with`: the same files for an ensemble",
    "SPLIT-ROOT/": "`captioner eval` with other data than the run's: the same files, in a folder named after the last part of "
    "`data.root`, and `dataset.json`, which says which data it is",
    "inspect-FOLDER-FILE/inspect.json": "`captioner inspect`: every number; the folder is named after the instances file and its "
    "folder, with `-first-N` for `--first N`",
    "inspect-FOLDER-FILE/inspect.FORMAT": "`captioner inspect`: the numbers as a figure: png, pdf and svg",
    "inspect-FOLDER-FILE/unreadable_inspection.txt": "`captioner inspect`: photos that could not be read",
    "measured_SPLIT.json": "`captioner compare`: what was measured of this run",
    "unreadable_timed.txt": "`captioner compare`: photos that could not be read when the kinds were timed",
    "export/": "`captioner export`: the model as two graphs, and `captioner.json`, which describes them",
    "sheet.png": "`captioner demo --train`: captions with their maps; in `runs/demo` only",
    "demo.json": "`captioner demo --train`: what was measured; in `runs/demo` only",
}
"""Every file that the program writes into a run's folder, and what it holds. Words in capitals stand for a name."""
_FREE = {
    "run": {"folder", "device", "features", "workers", "save_minutes"},
    "log": {"wandb", "project", "group", "samples"},
    "data": {"root"},
}
"""Settings that may change when a run is resumed, since they do not affect training."""
CHANGEABLE = ("objective", "optimiser", "schedule", "search", "run", "log")
"""Sections whose settings a run can go on with changed, if it is asked to."""
_REGULARISING = {("decoder", "dropout"), ("attention", "dropout"), ("refiner", "dropout")}
_AFTER_TRAINING = ("search.", "data.", "run.device=", "run.features=")


@system_errors()
def read_run_settings(folder: Path, overrides: Sequence[str] = ()) -> Settings:
    """The resolved settings of a run, with overrides.

    Raises:
        UserError: there is no run, or an override is not allowed after training.
    """
    if not (folder / SETTINGS).is_file():
        other = "it is not a folder" if folder.exists() else "nothing is there"
        why = f"it has no {SETTINGS}" if folder.is_dir() else other
        raise UserError(f"{folder} is not a run: {why}; give the folder that train.py wrote, such as runs/demo")
    for override in overrides:
        check_keys(parse_override(override), SECTIONS, "section")
        if not override.startswith(_AFTER_TRAINING):
            raise UserError(
                f"{override.partition('=')[0]} cannot change after training; overrides of search, data, run.device and "
                "run.features can"
            )
    return read(folder / SETTINGS, overrides, note=False)


def fill_encoder(encoder: Vision, run: Path) -> None:
    """Fill an encoder with the weights of another run's encoder."""
    read_run_settings(run)  # raises if there is no run
    if (run / ENCODER).exists():
        fill_model(encoder, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    else:
        fill_model(encoder, tensors_of(load_checkpoint(run / BEST)[0], "encoder."), run / BEST)


def check_folder(folder: Path, settings: Settings, change: bool = False) -> None:
    """Refuse a folder in which this training run cannot start or resume, before anything is computed. Nothing is written,
    and what killed programs left is removed.

    With `change`, a run goes on with other settings of `CHANGEABLE` than it has had, and a finished one with more epochs.
    """
    if has_weights(folder):
        remove_unfinished(folder)
        _check_same(folder, settings, change)
        _check_unfinished(folder, settings, change)
    elif change:
        raise UserError(f"--change goes on with a run, and {folder} holds none with a checkpoint; leave --change out")
    elif not (folder / SETTINGS).exists() and folder.is_dir() and any(map(_is_foreign, folder.iterdir())):
        raise UserError(f"{folder} holds other files and no run; give run.folder=... another name, or empty it")
    try:
        try_writing(folder)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({system_error(error)}); set run.folder to a folder that you may write to"
        ) from error


def has_weights(folder: Path) -> bool:
    """Whether there is a run that was trained up to a checkpoint. Without one, a start with other settings loses nothing."""
    return (folder / SETTINGS).exists() and ((folder / NEWEST).exists() or (folder / BEST).exists())


def _check_unfinished(folder: Path, settings: Settings, change: bool) -> None:
    """Refuse a run that has made all its epochs."""
    if not (folder / NEWEST).exists():
        return
    progress = checkpoint_state(folder / NEWEST)["progress"]
    if not progress["finished"]:
        return
    if not change:
        raise UserError(
            f"{folder} is a finished run; score it with `python eval.py {folder}`, train on with run.epochs={2 * progress['epoch']} "
            "--change, or give run.folder=... to train another"
        )
    if progress["epoch"] >= settings.run.epochs:
        raise UserError(
            f"{folder} has made its {progress['epoch']} epochs; give run.epochs a larger number, got {settings.run.epochs}"
        )
    if 0 < settings.run.patience <= progress["waited"]:
        raise UserError(
            f"{folder} has stopped after {progress['waited']} validations without a better score; give run.patience a larger number, "
            f"or 0 to never stop early, got {settings.run.patience}"
        )


def _is_foreign(file: Path) -> bool:
    """Whether a file in a folder without settings is something else than what a start leaves that was killed in its first moments."""
    return file.name not in (LOCK, ".writable") and not (file.name.startswith(".") and file.name.endswith(".tmp"))


def lasting(settings: Settings) -> Nested:
    """The settings that affect training, as they come back from JSON."""
    resolved = {
        section: {key: value for key, value in single_keys(values).items() if not _is_free(section, key)}
        for section, values in settings.resolved.items()
    }
    return json.loads(json.dumps(resolved))


def _is_free(section: str, key: str) -> bool:
    return key.rpartition("].")[2] in _FREE.get(section, ())


def _may_change(section: str, key: str) -> bool:
    return (section in CHANGEABLE and key != "from_run") or (section, key) in _REGULARISING


def _check_same(folder: Path, settings: Settings, change: bool = False) -> None:
    earlier = read_run_settings(folder).resolved
    for section, values in settings.resolved.items():
        both = [single_keys(earlier[section]), single_keys(values)]
        for key in sorted(both[0] | both[1], key="kind".__ne__):  # other keys follow from the kind
            before, now = (own.get(key, "nothing") for own in both)
            if before == now or _is_free(section, key) or (change and _may_change(section, key)):
                continue
            differs = f"{folder} was started with {section}.{key}={before}, now it is {now}"
            if change:
                raise UserError(
                    f"{differs}, which the weights or the words depend on; --change goes on with other settings of "
                    f"{', '.join(CHANGEABLE)} only: use the earlier value, or give run.folder=... for a new run"
                )
            on = "add --change to go on with it, " if _may_change(section, key) else ""
            raise UserError(
                f"{differs}; {on}give run.folder=... for a new run, or use the earlier settings to resume this one"
            )


def write_start(folder: Path, settings: Settings, vocabulary: Vocabulary, model: CaptionModel) -> None:
    """Write the files that do not change during a run. If this is interrupted, the next start writes them again."""
    from captioner.builder.loading import read_vocabulary

    remove_unfinished(folder)
    (folder / ".writable").unlink(missing_ok=True)  # of an earlier version
    if not has_weights(folder):  # what is there is of a start that ended before its first checkpoint
        for name in (VOCABULARY, ENCODER, FREQUENCIES, DATA):
            (folder / name).unlink(missing_ok=True)
    write_text_atomically(folder / SETTINGS, save_settings(settings))  # first, since it marks the folder as a run
    if model.encoder.frozen and not (folder / ENCODER).exists():
        save_checkpoint(folder / ENCODER, model_tensors(model.encoder), {})
    if not has_weights(folder) and not (folder / VOCABULARY).exists():
        vocabulary.save(folder / VOCABULARY)
    elif (stored := read_vocabulary(folder / VOCABULARY)).words != vocabulary.words:
        changed = sorted(set(stored.words) ^ set(vocabulary.words))
        raise UserError(
            f"the training captions have changed since {folder} was started: {len(stored)} words then, {len(vocabulary)} now"
            f"{f', first difference {changed[0]!r}' if changed else ''}; restore the captions, or give run.folder=... for a new run"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a run folder against other training runs. The lock of a killed program is released.

    Raises:
        UserError: another training run has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another training run uses {folder}; wait until it ends, or give run.folder=... for a new run"
        ) from error
    try:
        yield
    finally:
        lock.release()


def has_finished(folder: Path, settings: Settings) -> bool:
    """Whether a training run has finished.

    Raises:
        UserError: it was trained with other settings.
    """
    if has_weights(folder):
        _check_same(folder, settings)
    both = (folder / BEST).exists() and (folder / NEWEST).exists()
    return both and checkpoint_state(folder / NEWEST)["progress"]["finished"]
