"""Models: new ones, those that go on from another run's weights, and trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from captioner.builder.parts import make_model, make_search, make_vocabulary
from captioner.builder.run_folder import VOCABULARY, fill_from, read_run_settings
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.data.contract import Splits
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.text.vocabulary import Vocabulary
from captioner.training.distributed import choose_device

if TYPE_CHECKING:
    from captioner.ensemble import Ensemble

_REGULARISE = {"dropout", "train_from", "download"}  # what may differ where weights are taken over


def make_start(settings: Settings, splits: Splits) -> tuple[Vocabulary, CaptionModel]:
    """The vocabulary, and the model that training begins with: new, or as another run left it."""
    earlier = Path(settings.run.from_run)
    if not settings.run.from_run:
        vocabulary = make_vocabulary(settings, splits)
        return vocabulary, make_model(settings, vocabulary)
    before = read_run_settings(earlier)
    vocabulary = Vocabulary.load(earlier / VOCABULARY)
    if vocabulary.tokens != settings.data.tokens:
        raise UserError(
            f"run.from_run={earlier} cut captions into words by data.tokens={vocabulary.tokens}, got {settings.data.tokens}; "
            "take the same"
        )
    for section in ("encoder", "refiner", "attention", "decoder"):
        _check_same_part(section, earlier, before.resolved[section], settings.resolved[section])
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, earlier, "best")
    return vocabulary, model


def _check_same_part(section: str, earlier: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Weights can only be taken over by a part with the same settings, except those that regularise."""
    for key, value in before.items():
        if now.get(key) != value and key not in _REGULARISE:
            raise UserError(
                f"run.from_run={earlier} has {section}.{key}={value}, got {now.get(key)}; take the same, "
                "so that its weights mean the same"
            )


def load(
    run: str | Path | Sequence[str | Path],
    checkpoint: Literal["best", "newest"] = "best",
    device: str = "auto",
    overrides: Sequence[str] = (),
) -> Captioner:
    """A trained model, ready to caption photos.

    Args:
        run: the folder that training wrote; of several, an ensemble is made, which decodes as the first run does.
        checkpoint: `best` by the validation score that training watched, or `newest`.
        device: auto, cpu, cuda, cuda:1, mps.
        overrides: of the run's settings for decoding, such as `search.beams=5`.

    Raises:
        UserError: no run there, its files are damaged or do not belong together, or runs are the same or do not share a vocabulary.
    """
    folders = [Path(run)] if isinstance(run, (str, Path)) else [Path(one) for one in run]
    if not folders:
        raise UserError("load needs a run, got none; give the folder that train.py wrote, such as runs/demo")
    twice = [folder for place, folder in enumerate(folders) if folder.resolve() in map(Path.resolve, folders[:place])]
    if twice:
        raise UserError(f"models that write together should be different runs, got {twice[0]} twice; give each once")
    settings = read_run_settings(folders[0], overrides)
    vocabulary = Vocabulary.load(folders[0] / VOCABULARY)
    models = [_open(folder, checkpoint, vocabulary) for folder in folders]
    model = models[0] if len(models) == 1 else _ensemble(models)
    model.to(choose_device(device)).eval()
    return Captioner(model, vocabulary, make_search(settings, vocabulary))


def _ensemble(models: Sequence[CaptionModel]) -> Ensemble:
    from captioner.ensemble import Ensemble

    return Ensemble(models)


def _open(folder: Path, checkpoint: Literal["best", "newest"], vocabulary: Vocabulary) -> CaptionModel:
    """A run's model, which must write by this vocabulary."""
    settings, own = read_run_settings(folder), Vocabulary.load(folder / VOCABULARY)
    if own.words != vocabulary.words or own.tokens != vocabulary.tokens:
        odd = next((word for word in own.words if word not in vocabulary.number_of), "their order, or their rule")
        raise UserError(
            f"models that write together need one vocabulary, {folder} has another of {len(own)} words, the first run {len(vocabulary)} "
            f"(first difference: {odd!r}); take runs that were trained on the same captions"
        )
    model = make_model(settings, vocabulary, download=False)
    fill_from(model, folder, checkpoint)
    return model
