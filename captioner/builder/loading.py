"""Models: new, initialised from another run, or trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from typing_extensions import TypedDict

from captioner.builder.parts import make_model, make_search, make_vocabulary
from captioner.builder.run_folder import ENCODER, SETTINGS, VOCABULARY, read_run_settings
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.data.contract import Splits
from captioner.errors import UserError, system_errors
from captioner.model import CaptionModel
from captioner.progress import errors
from captioner.readers import read_json
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import BEST, NEWEST, fill_model, load_checkpoint, tensors_of
from captioner.training.distributed import choose_device

if TYPE_CHECKING:
    from captioner.features.training_photos import TrainingPhotos

NATURAL = "natural"
"""The name of the bundled model: a packed model of natural photos that the package holds."""
PRETRAINED = Path(__file__).parents[1] / "pretrained"
ABOUT, TRAINING_PHOTOS = "about.json", "training_photos.npz"
"""Files that only packed models have: what the model was trained on, and how to recognise photos that are unlike those."""
_CHECKPOINTS = {"best": BEST, "newest": NEWEST}
_FREE = {"align", "dropout", "train_from", "download", "weigh", "weights", "from_run", "runtime"}
"""Settings that may differ from those of the run whose weights are taken."""


def model_folder(name: str | Path | None = None) -> Path:
    """The folder of a model: of a run, of a model of the hub, or of the bundled model if the name is `natural`; without a name, that
    one, which is said.

    Raises:
        UserError: the bundled model is asked for, and this installation has none; or there is no such model on the hub.
    """
    if str(name).startswith("hf:/"):
        from captioner.builder.hub import download

        return download(str(name))
    if name is not None and (str(name) != NATURAL or (Path(name) / SETTINGS).is_file()):
        return Path(name)
    folder = PRETRAINED / NATURAL
    if not (folder / SETTINGS).is_file():
        raise UserError(
            f"this installation has no bundled model ({NATURAL}); train one, and give its folder, such as runs/demo"
        )
    if name is None:
        errors.print(f"model: {NATURAL} (bundled){trained_on(folder)}", soft_wrap=True)
    return folder


def trained_on(folder: Path) -> str:
    """What a packed model was trained on, to be put after its name; empty for other models."""
    if not (folder / ABOUT).exists():
        return ""
    about = read_json(folder / ABOUT, "restore an intact copy of the folder", _About)
    return f", trained on {about['trained_on']}"


def results_root(run: Path) -> Path:
    """Where commands write the results of a model: its folder; for a bundled model or one of the hub, a folder in `runs`."""
    if run.parent.name == "snapshots" and run.parents[1].name.startswith("models--"):  # in the hub's cache
        return Path("runs") / f"hub-{run.parents[1].name.rpartition('--')[2]}"
    return Path("runs") / f"bundled-{run.name}" if run.parent.resolve() == PRETRAINED.resolve() else run


def make_start(settings: Settings, splits: Splits, folder: Path | None = None) -> tuple[Vocabulary, CaptionModel]:
    """The vocabulary and the model at the start of training: new, or from another run.

    Args:
        folder: of a run that may go on there. Then its frozen encoder is the one that it began with, and weights that its newest checkpoint
            holds are left out.
    """
    if folder is not None and (folder / NEWEST).exists():
        vocabulary = (
            read_vocabulary(folder / VOCABULARY) if settings.run.from_run else make_vocabulary(settings, splits)
        )
        model = make_model(settings, vocabulary, download=False)
        if not model.encoder.frozen:
            return vocabulary, model
        if (folder / ENCODER).exists():
            fill_model(model.encoder, load_checkpoint(folder / ENCODER)[0], folder / ENCODER)
            return vocabulary, model
    if not settings.run.from_run:
        vocabulary = make_vocabulary(settings, splits)
        return vocabulary, make_model(settings, vocabulary)
    earlier = model_folder(settings.run.from_run)
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
        if now.get(key) != value and key not in _FREE:
            raise UserError(
                f"run.from_run={earlier} has {section}.{key}={value}, got {now.get(key)}; use the same, "
                "so that its weights fit"
            )


@system_errors()
def load(
    run: str | Path | Sequence[str | Path] | None = None,
    checkpoint: Literal["best", "newest"] = "best",
    device: str = "auto",
    overrides: Sequence[str] = (),
) -> Captioner:
    """Load a trained model, ready to caption photos.

    Args:
        run: folder of a run or of a packed model; `hf://owner/name`, a model of the Hugging Face hub; or `natural`, the bundled model,
            which is also the default. Several make an ensemble, which decodes with the settings of the first.
        checkpoint: `best` by `run.monitor`, or `newest`.
        device: auto, cpu, cuda, cuda:1, mps. `run.device` among the overrides takes its place.
        overrides: changes of the settings of decoding, such as `search.beams=5`.

    Raises:
        UserError: there is no run, its files are damaged or inconsistent, or runs are the same or differ in vocabulary.
    """
    if isinstance(run, bytes) or not (run is None or isinstance(run, (str, Path, Iterable))):
        raise TypeError(f"a model is a folder or a name, got {run!r}; give a path, or several in a list")
    if isinstance(overrides, str) or not all(isinstance(override, str) for override in overrides):
        raise TypeError(f"overrides is a list of settings, got {overrides!r}; write ['search.beams=5']")
    if checkpoint not in _CHECKPOINTS:
        raise UserError(f"checkpoint is best or newest, got {checkpoint!r}; choose one of them")
    names = [run] if run is None or isinstance(run, (str, Path)) else list(run)
    folders = [model_folder(name) for name in names]
    if not folders:
        raise UserError("load needs a run, got none; give the folder that training wrote, such as runs/demo")
    twice = [folder for index, folder in enumerate(folders) if folder.resolve() in map(Path.resolve, folders[:index])]
    if twice:
        raise UserError(f"the models of an ensemble should be different runs, got {twice[0]} twice; give each once")
    settings = read_run_settings(folders[0], overrides)
    vocabulary = read_vocabulary(folders[0] / VOCABULARY)
    models = [open_run(folder, checkpoint, vocabulary, overrides, "the models of an ensemble") for folder in folders]
    model = models[0]
    if len(models) > 1:
        from captioner.ensemble import Ensemble

        model = Ensemble(models)
    named = any(override.startswith("run.device=") for override in overrides)
    model.to(choose_device(settings.run.device if named else device)).eval()
    known = _training_photos(folders[0], models[0]) if len(models) == 1 else None
    return Captioner(model, vocabulary, make_search(settings, vocabulary), training_photos=known)


def _training_photos(folder: Path, model: CaptionModel) -> TrainingPhotos | None:
    """What a packed model keeps of its training photos; None for others."""
    if not (folder / TRAINING_PHOTOS).exists():
        return None
    from captioner.features.training_photos import TrainingPhotos

    known = TrainingPhotos.load(folder / TRAINING_PHOTOS)
    if known.directions.shape[1] != (model.encoder.whole_size or model.encoder.region_size):
        raise UserError(f"{folder / TRAINING_PHOTOS} is of another model; restore an intact copy of the folder")
    return known


def open_run(
    folder: Path,
    checkpoint: Literal["best", "newest"],
    vocabulary: Vocabulary,
    overrides: Sequence[str],
    group: str,
) -> CaptionModel:
    """The model of a run, which must have this vocabulary; `group` names those that share it."""
    runtime = [override for override in overrides if override.startswith("encoder.runtime=")]
    settings, own = read_run_settings(folder, runtime), read_vocabulary(folder / VOCABULARY)
    if own.words != vocabulary.words or own.tokens != vocabulary.tokens:
        odd = next(map(repr, sorted(set(own.words) ^ set(vocabulary.words))), "their order, or data.tokens")
        raise UserError(
            f"{group} need the same vocabulary, {folder} has {len(own)} words, expected {len(vocabulary)} "
            f"(first difference: {odd}); take runs that were trained on the same captions"
        )
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, folder, checkpoint)
    return model


def fill_from(model: CaptionModel, run: Path, checkpoint: Literal["best", "newest"]) -> None:
    """Fill a model with the weights of a run."""
    tensors, path = _weights(run, checkpoint)
    frozen = model.encoder if (run / ENCODER).exists() else None
    if frozen is not None:
        fill_model(frozen, load_checkpoint(run / ENCODER)[0], run / ENCODER)
    elif any(True for _ in model.encoder.parameters()) and not tensors_of(tensors, "encoder."):
        raise UserError(f"{run} lacks {ENCODER}, as if it was not copied whole; copy it from where the run was trained")
    fill_model(model, tensors, path, frozen)


def _weights(folder: Path, checkpoint: str) -> tuple[dict[str, torch.Tensor], Path]:
    path = folder / _CHECKPOINTS[checkpoint]
    tensors, _ = load_checkpoint(path)
    if checkpoint == "newest":
        tensors = tensors_of(tensors, "model/") | tensors_of(tensors, "average/")
    return tensors, path


class _About(TypedDict):
    """What `captioner pack` writes about a model."""

    trained_on: str


class _StoredVocabulary(TypedDict):
    """What `Vocabulary.save` writes."""

    tokens: str
    words: list[str]


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary that `Vocabulary.save` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    if not path.exists():
        raise UserError(
            f"{path.parent} lacks {path.name}, as if it was not copied whole; copy it from where the run was trained"
        )
    stored = read_json(path, "restore an intact copy from the same run, or train again", _StoredVocabulary)
    try:
        return Vocabulary(stored["words"], stored["tokens"])
    except UserError as error:
        raise UserError(f"{path}: {error}; restore an intact copy from the same run, or train again") from error
