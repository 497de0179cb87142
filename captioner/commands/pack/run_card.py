"""The model card of a run, in its own folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from captioner import builder
from captioner.builder.loading import ABOUT, PRETRAINED, TRAINING_PHOTOS
from captioner.commands import caption
from captioner.commands.outputs import check_writable
from captioner.commands.pack.model_card import CARD, SHEET, write_card
from captioner.commands.pack.packing import portable, trained_on_before
from captioner.errors import UserError
from captioner.features.training_photos import TrainingPhotos
from captioner.files import write_text_atomically
from captioner.readers import read_json


def card(run: Path, trained_on: str = "", photos: Sequence[str] = ()) -> Path:
    """Write README.md of a run or of a packed model, or replace the program's part of it.

    Args:
        run: the folder.
        trained_on: the names of the training data; by default, those of the card that is there, or from the settings.
        photos: captioned with their maps, for a picture in the card.

    Raises:
        UserError: there is no such run.
    """
    folder = builder.model_folder(run)
    if folder.parent.resolve() == PRETRAINED.resolve() or builder.results_root(folder) != folder:
        raise UserError(f"the card of {run} is part of that model; give a run of yours, such as runs/mine")
    check_writable(folder, "copy the run to a folder that can be written to")
    settings, captioner = builder.read_run_settings(folder), builder.load(folder)
    name, wanted = folder.resolve().name, {"sheet": folder / SHEET}
    unreadable = caption.run(captioner, list(photos), wanted, name=name, overwrite=True) if photos else 0
    packed, trained_on = (folder / ABOUT).is_file(), trained_on or trained_on_before(folder, settings)
    known = TrainingPhotos.load(folder / TRAINING_PHOTOS) if (folder / TRAINING_PHOTOS).is_file() else None
    write_card(folder, folder, portable(settings), captioner, trained_on, known, half=packed)
    if packed:
        about = read_json(folder / ABOUT, "pack the run again") | {"trained_on": trained_on}
        write_text_atomically(folder / ABOUT, json.dumps(about, ensure_ascii=False, indent=1) + "\n")
    if unreadable:
        raise UserError(
            f"{folder / CARD} is written, without {unreadable} of {len(photos)} photos that cannot be read; give others"
        )
    return folder / CARD
