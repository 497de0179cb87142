"""The model card of a run, in its own folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import builder
from captioner.builder.loading import ABOUT, PRETRAINED, TRAINING_PHOTOS
from captioner.commands import caption
from captioner.commands.outputs import check_writable
from captioner.commands.pack.model_card import CARD, SHEET, write_card
from captioner.commands.pack.packing import names_of_data, portable
from captioner.errors import UserError
from captioner.features.training_photos import TrainingPhotos
from captioner.readers import read_json


def card(run: Path, trained_on: str = "", photos: Sequence[str] = ()) -> Path:
    """Write README.md of a run or of a packed model, or replace the program's part of it.

    Args:
        run: the folder.
        trained_on: the names of the training data; by default, from the settings.
        photos: captioned with their maps, for a picture in the card.

    Raises:
        UserError: there is no such run.
    """
    folder = builder.model_folder(run)
    if folder.parent.resolve() == PRETRAINED.resolve() or builder.results_root(folder) != folder:
        raise UserError(f"the card of {run} is part of that model; give a run of yours, such as runs/mine")
    check_writable(folder, "copy the run to a folder that can be written to")
    settings, captioner = builder.read_run_settings(folder), builder.load(folder)
    if photos:
        caption.run(captioner, list(photos), {"sheet": folder / SHEET}, name=folder.resolve().name, overwrite=True)
    packed = (folder / ABOUT).is_file()
    if packed and not trained_on:
        trained_on = read_json(folder / ABOUT, "pack the run again")["trained_on"]
    known = TrainingPhotos.load(folder / TRAINING_PHOTOS) if (folder / TRAINING_PHOTOS).is_file() else None
    write_card(folder, folder, portable(settings), captioner, trained_on or names_of_data(settings), known, half=packed)
    return folder / CARD
