"""Captions in a table: delimited text, JSON lines, a JSON list, a text beside each photo, or Parquet files and tars with the photos.

Kaggle's Flickr8k is such a table: `captions.txt` with the header `image,caption`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.data.contract import (
    SPLIT_NAMES,
    Example,
    Splits,
    clean,
    data_folder,
    in_split,
    name_of_split,
    split_name,
)
from captioner.errors import UserError
from captioner.progress import print_note
from captioner.ranges import Count, Fraction

if TYPE_CHECKING:
    from captioner.data.table_files import Row

_IMAGES = "images"
_PACKED = (".parquet", ".tar")
_TEXT_KEYS = ("raw", "caption", "text", "sentence")
"""Where an object that is a caption holds its text."""
_ENDING = re.compile(r"\.\w+")


def table(
    root: str,
    captions: str = "captions.csv",
    images: str = _IMAGES,
    columns: dict[str, str] | None = None,
    val_share: Fraction = 0.1,
    test_share: Fraction = 0.1,
    split_seed: Count = 0,
) -> Splits:
    """A table of captions, such as a CSV file, with the splits of its column `split`, or else with random splits.

    Columns: `image`, the file name below `images`; `caption`, or `captions`, a list, in JSON; `split` (train, val or test), if any. Other
    usual names, such as `file_name` and `text`, are understood too. Lines with the same image are captions of one photo, whose id is
    that name.

    Args:
        root: folder of the data.
        captions: table, below `root`: text with commas, semicolons, tabs or bars, which start with a header; .jsonl with one JSON object
            per line; or .json with a list of objects. `.parquet` and `.tar` hold the photos too, as those of Hugging Face and WebDataset;
            they may be a pattern, such as `{split}-*.tar`, and are unpacked once, into `unpacked` or a folder given as `images`. With
            `{split}` in the name there is a table for each split. `.txt`, or another ending alone, reads a text file beside each photo.
        images: folder of the photos, below `root`; may contain `{split}`. Without a folder `images`, the photos lie beside the table.
        columns: names of the columns, such as `{image: file, caption: title, split: part}`; the usual names if not given.
        val_share: share of validation photos, if the table has no splits.
        test_share: share of test photos, if the table has no splits.
        split_seed: seed of the random splits.

    Raises:
        UserError: a file is missing, or a line is incomplete.
    """
    from captioner.data.table_files import COLUMNS

    folder = data_folder(root)
    strange = [name for name in columns or {} if name not in COLUMNS]
    if strange:
        raise UserError(f"data.columns should name {', '.join(COLUMNS)}, got {strange[0]!r}")
    if "{split}" in captions or ("{split}" in images and _ENDING.fullmatch(captions)):
        return _table_of_each_split(folder, captions, images, columns or {})
    path, photos, found = _rows_of(folder, captions, images, columns or {})
    references, split_of = references_of(found)
    _check_splits(path, images, references, split_of)
    split_of = split_of or random_splits(list(references), val_share, test_share, split_seed)
    splits: Splits = {"train": [], "val": [], "test": []}
    folders = {split: folder / in_split(images, name_of_split(folder, images, split)) for split in splits}
    for image, texts in references.items():
        own = folders[split_of[image]] if "{split}" in images else photos
        splits[split_of[image]].append(Example(image, own / image, texts))
    return splits


def _check_splits(path: Path, images: str, references: Mapping[str, list[str]], split_of: Mapping[str, str]) -> None:
    if not references:
        raise UserError(f"{path} should hold captions, got none; check data.captions")
    if split_of and len(split_of) < len(references):
        bare = next(image for image in references if image not in split_of)
        raise UserError(f"{path}: either every photo has a split or none has, got none for {bare}")
    if "{split}" in images and not split_of:
        raise UserError(f"{path} should have a column split, since data.images={images}; add it, or name one folder")


def _rows_of(folder: Path, captions: str, images: str, columns: Mapping[str, str]) -> tuple[Path, Path, Iterable[Row]]:
    """The path of the captions, the folder of the photos, and the rows."""
    from captioner.data.table_files import rows, sidecars

    path = folder / captions
    photos = _photos_of(path, folder, images)
    if captions.lower().endswith(_PACKED):
        return _unpacked(folder, captions, images, "all", columns)
    if _ENDING.fullmatch(captions):
        _note_folders_of_splits(photos)
        return photos, photos, sidecars(photos, captions)
    _check_there(folder, path)
    return path, photos, rows(path, photos, columns)


def _photos_of(path: Path, folder: Path, images: str) -> Path:
    """The folder of the photos; if none is named images, they lie beside the table."""
    photos = folder / images
    return path.parent if images == _IMAGES and not os.path.isdir(photos) else photos


def _matching(folder: Path, captions: str) -> list[Path]:
    """The file of that name below a folder; for Parquet files and tars, the name may be a pattern."""
    if captions.lower().endswith(_PACKED):
        return [Path(name) for name in sorted(glob.glob(os.path.join(glob.escape(str(folder)), captions)))]
    return [folder / captions] if os.path.exists(folder / captions) else []


def _unpacked(
    folder: Path, captions: str, images: str, split: str, columns: Mapping[str, str]
) -> tuple[Path, Path, Iterable[Row]]:
    """As `_rows_of`, of files that hold photos and captions."""
    from captioner.data.packed import packed_rows

    files = _matching(folder, captions)
    if not files:
        raise UserError(f"no file {captions} in {folder.absolute()}; check data.root and data.captions")
    photos = folder / ("unpacked" if images == _IMAGES else images) / split
    return files[0], photos, packed_rows(files, photos, columns)


def _table_of_each_split(folder: Path, captions: str, images: str, columns: Mapping[str, str]) -> Splits:
    splits: Splits = {}
    wanted = images if _ENDING.fullmatch(captions) else captions  # where there are texts, the folders of their photos
    for split, names in SPLIT_NAMES.items():
        name = next((name for name in names if _matching(folder, in_split(wanted, name))), split)
        own = in_split(captions, name)
        if split == "test" and not _matching(folder, in_split(wanted, name)):
            continue
        if captions.lower().endswith(_PACKED):
            path, photos, found = _unpacked(folder, own, in_split(images, name), name, columns)
        else:
            path, photos, found = _rows_of(folder, own, in_split(images, name), columns)
        references, _ = references_of(found)
        if not references:
            raise UserError(f"{path} should hold captions, got none; check data.captions")
        splits[split] = [Example(image, photos / image, texts) for image, texts in references.items()]
    return splits


def _note_folders_of_splits(photos: Path) -> None:
    found = [name for names in SPLIT_NAMES.values() for name in names if os.path.isdir(photos / name)]
    if len(found) > 1:
        print_note(
            f"the photos in the folders {', '.join(found)} of {photos} get random splits together; set data.images='{{split}}' to take "
            "each folder as a split"
        )


def _check_there(folder: Path, path: Path) -> None:
    """Say how to read a folder without a table, if its photos have texts beside them."""
    if path.exists():
        return
    tables = [
        other for here in ("", "*/") for name in ("metadata.*", "captions.*") for other in folder.glob(here + name)
    ]
    if tables and tables[0].parent == folder:
        more = f"it has {tables[0].name}: set data.captions={tables[0].name}"
    elif tables:
        more = f"{tables[0].parent.name} has {tables[0].name}: set data.captions='{{split}}/{tables[0].name}'"
    elif any(other.suffix.lower() == ".txt" for other in islice(folder.iterdir(), 1000)):
        more = "to read a text beside each photo, set data.captions=.txt"
    else:
        return
    raise UserError(f"there is no {path.name} in {folder.absolute()}; {more}")


def references_of(found: Iterable[Row]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The captions of each photo, and its split, if any."""
    references: dict[str, list[str]] = {}
    split_of: dict[str, str] = {}
    for place, row in found:
        image, texts = _read_row(place, row)
        references.setdefault(image, []).extend(clean(text) for text in texts)
        if row.get("split"):
            _note_split(split_of, image, str(row["split"]), place)
    return references, split_of


def _read_row(place: str, row: Mapping[str, Any]) -> tuple[str, list[str]]:
    image, texts = row.get("image"), texts_of(row.get("caption"))
    if isinstance(image, int | float) and image == image:  # not NaN, as pandas writes an empty cell
        raise UserError(
            f"{place}: an image should be the name of a file, got the number {image}; name its file instead"
        )
    if not (isinstance(image, str) and image.strip() and isinstance(texts, list)):
        raise UserError(
            f"{place}: should have an image and a caption, got {str(dict(row))[:200]}; complete the row, or leave it out"
        )
    if not all(isinstance(text, str) for text in texts):
        raise UserError(f"{place}: captions should be text, got {str(texts)[:200]}")
    return image, texts


def texts_of(value: Any) -> Any:
    """The captions in a value: a text, a list of texts, or COCO's lists of objects with the text, which libraries also turn inside out."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return next((texts_of(value[key]) for key in _TEXT_KEYS if key in value), value)
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [text for entry in value for text in _listed(texts_of(entry))]
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _note_split(split_of: dict[str, str], image: str, name: str, place: str) -> None:
    split = "train" if name == "restval" else split_name(name)  # a name of Karpathy's
    if split is None:
        raise UserError(f"{place}: split should be train, val or test, got {name!r}")
    if split_of.setdefault(image, split) != split:
        raise UserError(f"{place}: {image} is in {split_of[image]} and in {split}; a photo has one split")


def random_splits(images: list[str], val_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Random splits, which depend on names and seed alone, not on the order of the table.

    Photos are sorted by the digest of their names: the first are for validation, the last for test. If the table grows, few photos move.
    """
    if val_share + test_share >= 1:
        raise UserError(f"val_share and test_share leave no photos for training: {val_share} + {test_share}")
    shuffled = sorted(images, key=lambda image: hashlib.sha256(os.fsencode(f"{seed} {image}")).digest())
    num_val, num_test = (max(1, round(len(images) * share)) if share else 0 for share in (val_share, test_share))
    return {
        image: "val" if index < num_val else "test" if index >= len(shuffled) - num_test else "train"
        for index, image in enumerate(shuffled)
    }
