"""The data set contract: examples by split, and helpers for reading files."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner import readers
from captioner.errors import UserError


@dataclass(frozen=True)
class Example:
    """One photo and its reference captions."""

    id: int | str  # COCO's image id, kept so that results can be scored elsewhere
    image: Path
    references: list[str]  # empty if the photo has no captions
    size: tuple[int, int] | None = None  # (width, height) that the data set states


Splits = dict[str, list[Example]]
"""Examples by name of the split."""
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "validation", "valid", "dev"),
    "test": ("test", "testing"),
}
"""What data sets call the splits, by the names used here."""


def split_name(name: str) -> str | None:
    """The name used here of a split that a data set names; None if there is none."""
    return next((split for split, names in SPLIT_NAMES.items() if name.strip().lower() in names), None)


def in_split(name: str, split: str) -> str:
    """The name of a file or folder in which `{split}` stands for the name of the split."""
    return name.replace("{split}", split)


def name_of_split(folder: Path, captions: str, split: str) -> str:
    """What the captions files below `folder` call a split; the name used here if none exists."""
    names = SPLIT_NAMES.get(split, (split,))
    return next((name for name in names if (folder / in_split(captions, name)).exists()), split)


def present(splits: Splits, skip_missing: bool = False) -> tuple[Splits, list[Example]]:
    """The examples whose photos have a file, and those whose have none.

    Raises:
        UserError: a photo has no file and `skip_missing` was not asked for; or no photo of a split has one.
    """
    kept = {split: [example for example in examples if example.image.is_file()] for split, examples in splits.items()}
    missing = [example for examples in splits.values() for example in examples if not example.image.is_file()]
    if not missing:
        return splits, []
    total = sum(map(len, splits.values()))
    if not skip_missing:
        raise UserError(
            f"the captions name {total:,} photos, got {len(missing):,} of them without a file, first {missing[0].image.absolute()}; put "
            "them there, set data.root and data.images to their folder, or leave them out with data.missing=skip"
        )
    bare = [split for split, examples in splits.items() if examples and not kept[split]]
    if bare:
        raise UserError(
            f"no photo of {bare[0]} has a file, first {splits[bare[0]][0].image.absolute()}; check data.images"
        )
    return kept, missing


def clean(caption: str) -> str:
    """The caption in one line with single spaces, and accents composed (Unicode NFC), so that a word has one spelling."""
    return " ".join(unicodedata.normalize("NFC", caption).split())


def data_folder(root: str) -> Path:
    folder = Path(root)
    if not folder.is_dir():
        raise UserError(f"no data folder at {folder.absolute()}; set data.root to the folder of the data")
    return folder


def read_text(path: Path, named_by: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; errors ask to check `named_by`."""
    return readers.read_text(path, f"check {named_by}")


def read_json(path: Path, named_by: str) -> Any:
    return readers.read_json(path, f"check {named_by}")
