"""The run folder: its files, checks before training, and reading settings and weights."""

from __future__ import annotations

import json
import math
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
from captioner.readers import check_regular
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import (
    BEST,
    NEWEST,
    checkpoint_state,
    fill_model,
    load_checkpoint,
    model_tensors,
    newest_progress,
    problem_with_weights,
    save_checkpoint,
    tensors_of,
)

SETTINGS, VOCABULARY, ENCODER = "settings.yaml", "vocabulary.json", "encoder.safetensors"
FREQUENCIES, EVIDENCE, DATA, LOCK = "document_frequencies.npz", "word_evidence.safetensors", "data_digests.npz", ".lock"
TRAINED = (SETTINGS, VOCABULARY, ENCODER, FREQUENCIES, EVIDENCE, DATA, LOCK, NEWEST, BEST, "log.jsonl", "wandb_id.txt")
"""The files that training reads or writes."""
_FREE = {
    "run": {"folder", "device", "features", "workers", "save_minutes"},
    "log": {"wandb", "tensorboard", "project", "group", "samples"},
    "data": {"root"},
    "encoder": {"runtime"},
}
"""Settings that may change when a run is resumed, since they do not affect training."""
CHANGEABLE = ("objective", "optimiser", "schedule", "search", "run", "log")
"""Sections whose settings a run can go on with changed, if it is asked to."""
_REGULARISING = {("decoder", "dropout"), ("attention", "dropout"), ("refiner", "dropout")}
_REGIONS = ("encoder.folder=", "encoder.boxes=")  # where region files are
_AFTER_TRAINING = ("search.", "data.", "run.device=", "run.features=", "encoder.runtime=", *_REGIONS)


@system_errors()
def read_run_settings(folder: Path, overrides: Sequence[str] = ()) -> Settings:
    """The resolved settings of a run, with overrides.

    Raises:
        UserError: there is no run, or an override is not allowed after training.
    """
    check_regular(folder / SETTINGS, "restore an intact copy from the same run")
    if not (folder / SETTINGS).exists():
        other = "it is not a folder" if folder.exists() else "nothing is there"
        why = f"it has no {SETTINGS}" if folder.is_dir() else other
        raise UserError(f"{folder} is not a run: {why}; give the folder that training wrote, such as runs/demo")
    for override in overrides:
        check_keys(parse_override(override), SECTIONS, "section")
        if not override.startswith(_AFTER_TRAINING):
            raise UserError(
                f"{override.partition('=')[0]} cannot change after training; overrides of search, data, run.device, "
                "run.features, encoder.runtime and the folders of region files can"
            )
    try:
        return read(folder / SETTINGS, overrides, note=False)
    except UserError as error:
        if overrides:
            read_run_settings(folder)  # raises if the file is at fault
            raise
        named = "" if SETTINGS in str(error) else f"{folder / SETTINGS}: "
        raise UserError(f"{named}{error}; or restore an intact copy of it from the same run") from error


def fill_encoder(encoder: Vision, run: Path) -> None:
    """Fill an encoder with the weights of another run's encoder."""
    read_run_settings(run)  # raises if there is no run
    path = run / (ENCODER if (run / ENCODER).exists() else BEST)
    tensors, _ = load_checkpoint(path)
    own = tensors if path.name == ENCODER else tensors_of(tensors, "encoder.")
    fill_model(encoder, own, path, advice=f"set encoder as in {run / SETTINGS}")


def check_folder(folder: Path, settings: Settings, change: bool = False) -> None:
    """Refuse a folder in which this training run cannot start or resume, before anything is computed. Nothing is written,
    and what killed programs left is removed.

    With `change`, a run goes on with other settings of `CHANGEABLE` than it has had, and a finished one with more epochs.
    """
    for name in TRAINED:
        check_regular(folder / name, "move it away, or restore the file")
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
    """Refuse a run that has made all its epochs, or whose weights are lost or damaged; `change` goes on without the best."""
    progress = newest_progress(folder)
    if progress is None:
        return
    problem = problem_with_weights(folder / BEST) if progress["best_score"] > -math.inf else None
    if problem and not change:
        raise UserError(
            f"{problem}; restore an intact copy, such as from where the run was trained, or add --change to go on without it: the next "
            "validation is then the best so far"
        )
    if not progress["finished"]:
        return
    if not change:
        raise UserError(
            f"{folder} is a finished run; score it with `captioner eval {folder}`, train on with run.epochs={2 * progress['epoch']} "
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
                    f"{differs}, which the weights or the words depend on; --change goes on with other settings of {', '.join(CHANGEABLE)} "
                    "only: use the earlier value, or give run.folder=... for a new run"
                )
            on = "add --change to go on with it, " if _may_change(section, key) else ""
            raise UserError(f"{differs}; {on}give run.folder=... for a new run, or the earlier settings to resume this")


def write_start(folder: Path, settings: Settings, vocabulary: Vocabulary, model: CaptionModel) -> None:
    """Write the files that do not change during a run. If this is interrupted, the next start writes them again.

    The settings of a run with weights stay as they are; `write_settings` replaces them when the run has been resumed.
    """
    from captioner.builder.loading import read_vocabulary

    remove_unfinished(folder)
    (folder / ".writable").unlink(missing_ok=True)  # of an earlier version
    if not has_weights(folder):  # what is there is of a start that ended before its first checkpoint
        for name in (VOCABULARY, ENCODER, FREQUENCIES, EVIDENCE, DATA):
            (folder / name).unlink(missing_ok=True)
        write_settings(folder, settings)  # first, since they mark the folder as a run
    if model.encoder.frozen and not (folder / ENCODER).exists():
        save_checkpoint(folder / ENCODER, model_tensors(model.encoder), {})
    if not has_weights(folder) and not (folder / VOCABULARY).exists():
        vocabulary.save(folder / VOCABULARY)
    elif (stored := read_vocabulary(folder / VOCABULARY)).words != vocabulary.words:
        changed = sorted(set(stored.words) ^ set(vocabulary.words))
        raise UserError(
            f"the training captions, or {VOCABULARY}, have changed since {folder} was started: {len(stored)} words then, "
            f"{len(vocabulary)} now"
            f"{f', first difference {changed[0]!r}' if changed else ''}; restore the captions, or give run.folder=... for a new run"
        )


def write_settings(folder: Path, settings: Settings) -> None:
    """Write the resolved settings of a run."""
    write_text_atomically(folder / SETTINGS, save_settings(settings))


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
