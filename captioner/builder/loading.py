"""Models: new, initialised from another run, or trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from typing_extensions import TypedDict

from captioner.builder.parts import make_model, make_search, make_vocabulary
from captioner.builder.run_folder import ENCODER, VOCABULARY, read_run_settings
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.data.contract import Splits
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.readers import read_json
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import BEST, NEWEST, fill_model, load_checkpoint, tensors_of
from captioner.training.distributed import choose_device

if TYPE_CHECKING:
    from captioner.ensemble import Ensemble

_REGULARISE = {"dropout", "train_from", "download"}  # keys that may differ from the run whose weights are taken


def make_start(settings: Settings, splits: Splits) -> tuple[Vocabulary, CaptionModel]:
    """The vocabulary and the model at the start of training: new, or from another run."""
    earlier = Path(settings.run.from_run)
    if not settings.run.from_run:
        vocabulary = make_vocabulary(settings, splits)
        return vocabulary, make_model(settings, vocabulary)
    before = read_run_settings(earlier)
    vocabulary = read_vocabulary(earlier / VOCABULARY)
    if vocabulary.tokens != settings.data.tokens:
        raise UserError(
            f"run.from_run={earlier} has data.tokens={vocabulary.tokens}, got {settings.data.tokens}; use the same"
        )
    for section in ("encoder", "refiner", "attention", "decoder"):
        _check_same_part(section, earlier, before.resolved[section], settings.resolved[section])
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, earlier, "best")
    return vocabulary, model


def _check_same_part(section: str, earlier: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse settings of a part that differ from those of the run whose weights it takes."""
    for key, value in before.items():
        if now.get(key) != value and key not in _REGULARISE:
            raise UserError(
                f"run.from_run={earlier} has {section}.{key}={value}, got {now.get(key)}; use the same, "
                "so that its weights fit"
            )


def load(
    run: str | Path | Sequence[str | Path],
    checkpoint: Literal["best", "newest"] = "best",
    device: str = "auto",
    overrides: Sequence[str] = (),
) -> Captioner:
    """Load a trained model, ready to caption photos.

    Args:
        run: run folder; several make an ensemble, which decodes with the settings of the first.
        checkpoint: `best` by `run.monitor`, or `newest`.
        device: auto, cpu, cuda, cuda:1, mps.
        overrides: changes of the settings of decoding, such as `search.beams=5`.

    Raises:
        UserError: there is no run, its files are damaged or inconsistent, or runs are the same or differ in vocabulary.
    """
    folders = [Path(run)] if isinstance(run, (str, Path)) else [Path(folder) for folder in run]
    if not folders:
        raise UserError("load needs a run, got none; give the folder that train.py wrote, such as runs/demo")
    twice = [folder for index, folder in enumerate(folders) if folder.resolve() in map(Path.resolve, folders[:index])]
    if twice:
        raise UserError(f"the models of an ensemble should be different runs, got {twice[0]} twice; give each once")
    settings = read_run_settings(folders[0], overrides)
    vocabulary = read_vocabulary(folders[0] / VOCABULARY)
    models = [_open(folder, checkpoint, vocabulary) for folder in folders]
    model = models[0] if len(models) == 1 else _ensemble(models)
    model.to(choose_device(device)).eval()
    return Captioner(model, vocabulary, make_search(settings, vocabulary))


def _ensemble(models: Sequence[CaptionModel]) -> Ensemble:
    from captioner.ensemble import Ensemble

    return Ensemble(models)


def _open(folder: Path, checkpoint: Literal["best", "newest"], vocabulary: Vocabulary) -> CaptionModel:
    """The model of a run, which must have this vocabulary."""
    settings, own = read_run_settings(folder), read_vocabulary(folder / VOCABULARY)
    if own.words != vocabulary.words or own.tokens != vocabulary.tokens:
        odd = next((word for word in own.words if word not in vocabulary.number_of), "their order, or data.tokens")
        raise UserError(
            f"the models of an ensemble need the same vocabulary, {folder} has {len(own)} words, the first run {len(vocabulary)} "
            f"(first difference: {odd!r}); take runs that were trained on the same captions"
        )
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, folder, checkpoint)
    return model


def fill_from(model: CaptionModel, run: Path, checkpoint: Literal["best", "newest"]) -> None:
    """Fill a model with the weights of a run."""
    frozen = model.encoder if (run / ENCODER).exists() else None
    if frozen is not None:
        fill_model(frozen, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    elif model.encoder.frozen and any(True for _ in model.encoder.parameters()):
        raise UserError(f"{run} lacks {ENCODER}, as if it was not copied whole; copy it from where the run was trained")
    fill_model(model, *_weights(run, checkpoint), frozen)


def _weights(folder: Path, checkpoint: str) -> tuple[dict[str, torch.Tensor], Path]:
    path = folder / {"best": BEST, "newest": NEWEST}[checkpoint]
    tensors, _ = load_checkpoint(path)
    if checkpoint == "newest":
        tensors = tensors_of(tensors, "model/") | tensors_of(tensors, "average/")
    return tensors, path


class _StoredVocabulary(TypedDict):
    """What `Vocabulary.save` writes."""

    tokens: str
    words: list[str]


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary that `Vocabulary.save` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    stored = read_json(path, "restore an intact copy from the same run, or train again", _StoredVocabulary)
    return Vocabulary(stored["words"], stored["tokens"])
