"""A packed model: everything that captioning needs of a run, and nothing else.

Large matrices are stored in half precision; small ones and vectors, such as those of batch norm, as they are. Models compute in
float32 in any case.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import Tensor

from captioner import builder
from captioner.builder.loading import ABOUT, TRAINING_PHOTOS
from captioner.builder.run_folder import has_weights
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.evaluate.baseline_captions import mean_regions
from captioner.commands.outputs import check_writable
from captioner.commands.pack.model_card import CARD, SHEET, earlier_card, trained_on_by, write_card
from captioner.commands.photo_sources import photo_source, read_splits
from captioner.data.contract import Example, data_name
from captioner.errors import UserError
from captioner.features.training_photos import TrainingPhotos
from captioner.files import VERSION, replacing, unfinished, write_text_atomically
from captioner.progress import Report, silent
from captioner.readers import read_json
from captioner.training.checkpoints import BEST, load_checkpoint, save_checkpoint

FILES = {
    builder.SETTINGS: "the settings, without paths of the machine that trained it",
    builder.VOCABULARY: "words and tokeniser",
    BEST: "weights; large matrices in half precision",
    builder.ENCODER: "the frozen encoder without its classifier; absent if the encoder was trained",
    TRAINING_PHOTOS: "how to recognise photos that are unlike the training photos; not with `--no-photos`",
    ABOUT: "what it was trained on, and when it was packed",
    CARD: "the model card",
    SHEET: "captions with their maps; only if `captioner card --photo` drew them",
}
"""Every file of a packed model, and what it holds."""
_SMALL = 40_000  # numbers of a matrix that is stored as it is
_MOST_PHOTOS = 2_000  # of a split, that are compared with new photos


def pack(
    run: Path,
    folder: Path,
    overrides: Sequence[str] = (),
    report: Report = silent,
    trained_on: str = "",
    photos: bool = True,
) -> int:
    """Pack a run into a folder; returns the size of its files in bytes. Packing again replaces them; hand-written text of the card stays.

    Args:
        run: the run's folder.
        folder: is created, or holds an earlier packed model.
        overrides: settings of decoding that the packed model should have, and where its data lie.
        report: shows progress.
        trained_on: the names of the training data; by default, from the run's card or its settings.
        photos: look at photos of the training data, so that the model can say which photos are unlike them.

    Raises:
        UserError: there is no such run, or the folder holds something else.
    """
    run = builder.model_folder(run)
    settings = builder.read_run_settings(run, overrides)
    _check_folder(folder, run)
    earlier_card(folder, run)  # raises if it cannot be written again
    for left in filter(None, map(unfinished, sorted(run.iterdir()))):
        report.note(f"{left}; its scores are left out of the model card")
    captioner = builder.load(run, overrides=overrides, device=settings.run.device)
    known = _training_photos(settings, captioner, report) if photos else None
    folder.mkdir(parents=True, exist_ok=True)
    # Without settings, the folder is no model until all is written.
    for name in (builder.SETTINGS, builder.ENCODER, TRAINING_PHOTOS):
        (folder / name).unlink(missing_ok=True)
    earlier = _tensors(folder / BEST)
    _copy_weights(run, folder)
    _copy_picture(run, folder, same_model=_are_equal(_tensors(folder / BEST), earlier))
    captioner.vocabulary.save(folder / builder.VOCABULARY)
    if known is not None:
        known.save(folder / TRAINING_PHOTOS)
    about = {
        "trained_on": trained_on or trained_on_before(run, settings),
        "packed": date.today().isoformat(),
        "version": VERSION,
    }
    write_text_atomically(folder / ABOUT, json.dumps(about, ensure_ascii=False, indent=1) + "\n")
    packed = portable(settings)
    write_card(folder, run, packed, captioner, about["trained_on"], known)
    write_text_atomically(folder / builder.SETTINGS, builder.save_settings(packed))
    return sum((folder / name).stat().st_size for name in FILES if (folder / name).exists())


def _check_folder(folder: Path, run: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"a packed model is a folder, and {folder} is a file; give another name")
    if folder.resolve() == run.resolve() or (has_weights(folder) and not (folder / ABOUT).exists()):
        raise UserError(f"{folder} is a run, which packing would overwrite; give the packed model a folder of its own")
    check_writable(folder)
    if folder.is_dir() and (others := [path.name for path in folder.iterdir() if not _is_own(path)]):
        raise UserError(f"{folder} holds other files, such as {others[0]}; give the packed model a folder of its own")


def _is_own(path: Path) -> bool:
    """Whether a file is of a packed model, is left of a killed program, or is a folder of results of one."""
    is_results = any((path / name).is_file() for name in ("scores.json", "inspect.json", "captioner.json"))
    return path.name in FILES or (path.name.startswith(".") and path.name.endswith(".tmp")) or is_results


def _copy_weights(run: Path, folder: Path) -> None:
    for name in (BEST, builder.ENCODER):
        if (run / name).exists():
            tensors, state = load_checkpoint(run / name)
            save_checkpoint(folder / name, {key: _half(tensor) for key, tensor in tensors.items()}, state)


def _copy_picture(run: Path, folder: Path, same_model: bool) -> None:
    """Of a run without a picture, one that was drawn with the packed model stays."""
    if (run / SHEET).is_file():
        with replacing(folder / SHEET) as beside:
            shutil.copyfile(run / SHEET, beside)
    elif not same_model:
        (folder / SHEET).unlink(missing_ok=True)


def _tensors(path: Path) -> dict[str, Tensor]:
    """A checkpoint's tensors; none if it cannot be read. Files of the same tensors can differ, in the order of what their heads say."""
    try:
        return load_checkpoint(path)[0]
    except UserError:
        return {}


def _are_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _half(tensor: Tensor) -> Tensor:
    """A large matrix in half precision, unless a value is too large for it; other tensors as they are.

    Small ones cost few bytes, and the rounding of an encoder's first layers changes captions most.
    """
    if tensor.dim() < 2 or tensor.numel() <= _SMALL or not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if half.isfinite().all() else tensor


def _training_photos(settings: Settings, captioner: Captioner, report: Report) -> TrainingPhotos:
    """What is kept of the training photos. Stored regions of a frozen encoder are read; others are computed.

    Raises:
        UserError: the data is not there.
    """
    try:
        splits = read_splits(settings, report)
        chosen = {split: _some(splits.get(split, [])) for split in ("train", "val")}
        with tempfile.TemporaryDirectory(prefix="captioner-") as lists:
            sources = {
                split: photo_source(settings, captioner.model, examples, split, Path(lists), report)[0]
                for split, examples in chosen.items()
            }
            means = {split: mean_regions(captioner, source, report, split) for split, source in sources.items()}
    except UserError as error:
        raise UserError(
            f"the photos of training and validation are needed, to recognise photos that are unlike them: {error}; "
            "say where they lie (data.root=PATH), or leave this out with --no-photos"
        ) from error
    return TrainingPhotos.of(means["train"], means["val"])


def _some(examples: Sequence[Example]) -> list[Example]:
    """At most `_MOST_PHOTOS`, drawn with a fixed seed."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))[:_MOST_PHOTOS]
    return [examples[index] for index in sorted(order.tolist())]


def portable(settings: Settings) -> Settings:
    """The settings without paths of this machine."""
    return Settings.of(_portable(settings.resolved))


def _portable(resolved: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings without what belongs to the machine: paths lose all but their last part, and devices and logs are the defaults."""
    packed = {section: {key: _without_path(value) for key, value in of.items()} for section, of in resolved.items()}
    packed["data"] = {key: _below_data(value) for key, value in resolved["data"].items()}
    packed["run"] |= {"folder": "", "device": "auto", "features": "features"}
    packed["encoder"]["runtime"] = "auto"
    packed["log"] |= {"wandb": False, "tensorboard": False, "group": ""}
    weights = resolved["encoder"].get("weights")
    if isinstance(weights, str) and _is_path(weights):  # a file of this machine; the hub has those of the same name
        packed["encoder"]["weights"] = "DEFAULT"
    return packed


def _is_path(value: str) -> bool:
    return PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute() or ".." in Path(value).parts


def _without_path(value: Any) -> Any:
    if isinstance(value, (list, tuple)):  # such as the runs of objective.teachers
        return [_without_path(inner) for inner in value]
    return PureWindowsPath(value).name if isinstance(value, str) and _is_path(value) else value


def _below_data(value: Any) -> Any:
    """Settings of data, in which `/home/me/flickr8k` becomes `data/flickr8k`."""
    if isinstance(value, dict):
        return {key: _below_data(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_below_data(inner) for inner in value]
    if not (isinstance(value, str) and _is_path(value)):
        return value
    name = _without_path(value)
    return name if name == "data" else f"data/{name}"


def trained_on_before(run: Path, settings: Settings) -> str:
    """What a run was trained on: as its card says, or as it was packed; else the names of the folders of its data."""
    packed = read_json(run / ABOUT, "pack the run again")["trained_on"] if (run / ABOUT).is_file() else ""
    return trained_on_by(run / CARD) or packed or _names_of_data(settings)


def _names_of_data(settings: Settings) -> str:
    return " and ".join(dict.fromkeys(_names(settings.resolved["data"]))) or "its data"


def _names(value: Any) -> Iterator[str]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    below = [name for part in inner for name in _names(part)]
    own = [data_name(value)] if isinstance(value, dict) and isinstance(value.get("root"), str) else []
    yield from below or own  # the root of joined data holds those of its parts
