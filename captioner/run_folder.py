"""A run's folder: whether a training may begin or go on in it, and what never changes there.

It holds settings.yaml, vocabulary.json, log.jsonl, newest.safetensors, best.safetensors, and encoder.safetensors where the encoder is
frozen: all that captioning needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from captioner import build
from captioner.config import Settings
from captioner.errors import UserError
from captioner.files import remove_unfinished, write_text_atomically
from captioner.model import CaptionModel
from captioner.training.checkpoints import BEST, NEWEST, load_checkpoint, model_tensors, save_checkpoint
from captioner.vocabulary import Vocabulary

LOCK = ".lock"
_FREE = {
    "run": {"folder", "device", "features", "workers", "save_minutes"},
    "log": {"wandb", "project", "samples"},
    "data": {"root"},
}
"""Settings that may differ when a run goes on: they do not change what is learned."""


def check_folder(folder: Path, settings: Settings) -> None:
    """Refuse a folder that this training cannot go on in, before anything is computed."""
    if (folder / build.SETTINGS).exists():
        _check_same(folder, settings)
        if (folder / NEWEST).exists() and load_checkpoint(folder / NEWEST)[1]["progress"]["finished"]:
            raise UserError(
                f"{folder} is a finished run; score it with `python eval.py {folder}`, or give run.folder=... to train another"
            )
    elif folder.is_dir() and any(file.name != LOCK for file in folder.iterdir()):
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
        keys = values.keys() | earlier[section].keys()
        for key in sorted(keys, key="kind".__ne__):  # other keys follow from the kind
            before, now = (found[section].get(key, "nothing") for found in (earlier, settings))
            if before != now and key not in _FREE.get(section, ()):
                raise UserError(
                    f"{folder} was started with {section}.{key}={before}, now it is {now}; give run.folder=... for a new run, "
                    "or go back to the earlier settings to go on with this one"
                )


def write_start(folder: Path, settings: Settings, vocabulary: Vocabulary, model: CaptionModel) -> None:
    """What never changes during a run; a start that was killed in between is simply made again."""
    write_text_atomically(folder / build.SETTINGS, build.save_settings(settings))  # first: it marks the folder as a run
    remove_unfinished(folder)
    if model.encoder.frozen and not (folder / build.ENCODER).exists():
        save_checkpoint(folder / build.ENCODER, model_tensors(model.encoder), {})
    if not (folder / build.VOCABULARY).exists():
        vocabulary.save(folder / build.VOCABULARY)
    elif (stored := Vocabulary.load(folder / build.VOCABULARY)).words != vocabulary.words:
        odd = sorted(set(stored.words) ^ set(vocabulary.words))
        raise UserError(
            f"the training captions have changed since {folder} was started: {len(stored)} words then, {len(vocabulary)} now"
            f"{f', first difference {odd[0]!r}' if odd else ''}; bring the captions back, or give run.folder=... for a new run"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder; a killed program lets go of it.

    Raises:
        UserError: another training holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another training is under way in {folder}; wait for it, or give run.folder=... for a new run"
        ) from error
    try:
        yield
    finally:
        lock.release()


def has_finished(folder: Path, settings: Settings) -> bool:
    """Whether a run's training has come to its end.

    Raises:
        UserError: it was another training than these settings ask for.
    """
    if (folder / build.SETTINGS).exists():
        _check_same(folder, settings)
    both = (folder / BEST).exists() and (folder / NEWEST).exists()
    return both and load_checkpoint(folder / NEWEST)[1]["progress"]["finished"]
