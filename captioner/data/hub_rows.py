"""The rows of a data set that the library `datasets` reads: the photo, the captions and the split of each."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.data.table import texts_of
from captioner.data.table_files import COLUMNS, usual_names
from captioner.errors import UserError, library
from captioner.readers import parsing

if TYPE_CHECKING:
    from captioner.data.hub_datasets import Choices
    from captioner.data.packed import Sample


def samples_of(chosen: Choices, rows: Any, split: str, by_row: bool) -> Iterator[Sample]:
    """The photo of each row, with its captions and its split."""
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        return
    column, texts = _columns(chosen, [*first])
    for number, row in enumerate(chain([first], stream), start=1):
        photo = row[column] if isinstance(row[column], Mapping) else {"bytes": row[column]}
        path, content = photo.get("path"), photo.get("bytes")
        if not isinstance(content, bytes):
            content = _content(chosen, column, path or content)
        own = row.get("split") if by_row else None
        found = _texts(chosen.name, [row[text] for text in texts])
        place = f"{chosen.name}, row {number} of {split}"
        yield place, str(path or ""), content, {"caption": found, "split": own if isinstance(own, str) else split}


def _texts(name: str, values: Sequence[Any]) -> list[str]:
    """The captions in the columns of a row; columns without a text are left out."""
    listed = [texts_of(value) for value in values if value]
    found = [text for texts in listed for text in (texts if isinstance(texts, list) else [texts])]
    if not all(isinstance(text, str) for text in found):
        raise UserError(
            f"{name}: captions should be text, a list of texts, or objects with raw, caption or text, got {str(found)[:200]}; "
            "check data.captions"
        )
    return found


def _columns(chosen: Choices, columns: Sequence[str]) -> tuple[str, list[str]]:
    """The column of the photos, and those of the captions."""
    image, captions = chosen.image, chosen.captions
    photos = [column for column in columns if column == image] if image else usual_names(columns, COLUMNS["image"])
    texts = fnmatch.filter(columns, captions) if captions else usual_names(columns, COLUMNS["caption"])
    texts = texts or ([] if captions else fnmatch.filter(columns, "caption_*"))
    for setting, given, matching in (("image", image, photos), ("captions", captions, texts)):
        if not matching:
            wanted = given or {"image": "of photos", "captions": "of captions"}[setting]
            raise UserError(
                f"{chosen.name} should have a column {wanted}, got {', '.join(columns)}; set data.{setting} to one of these"
            )
    return photos[0], texts


def _content(chosen: Choices, column: str, path: object) -> bytes | Path:
    """The photo at the path that a row gives: a file of this computer, or inside of the data set's own files."""
    name, local = chosen.name, chosen.local
    text = str(path)
    own = _below(Path(name), text.rpartition("::")[2]) if local else None  # such as zip://a.jpg::photos.zip
    if own and "::" not in text:
        return own
    inside = "hf://datasets/"
    zipped = text.startswith("zip://") and (own or f"::{inside}" in text)
    if zipped or (not local and text.startswith(inside)):
        with library("fsspec", text, "hf").open(text) as file:
            return bytes(file.read())
    raise UserError(
        f"{name} should hold photos in its column {column}, got {text[:100]!r}; photos are not fetched from elsewhere: choose a data set "
        "that holds them, or another data.image"
    )


def _below(folder: Path, path: str) -> Path | None:
    """The file at a path, if it is below the folder of the data set, or below that of its file."""
    folder = folder if folder.is_dir() else folder.parent
    file = Path(os.path.abspath(folder / path))
    inside = any(map(file.is_relative_to, (folder.absolute(), folder.resolve())))
    return file if inside and file.is_file() else None


def check_parquet(name: str) -> None:
    """Read the Parquet files of a local data set, to name the first that is damaged.

    Raises:
        UserError: one is damaged, or has no rows.
    """
    path, parquet = Path(name), import_module("pyarrow.parquet")
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path] * (path.suffix == ".parquet")
    for file in files:
        with parsing(file, "a Parquet file of photos and captions", "fetch it again"), file.open("rb") as stream:
            num_rows = sum(batch.num_rows for batch in parquet.ParquetFile(stream).iter_batches(64))
        if not num_rows:
            raise UserError(f"{file} should hold photos with captions, got no rows; fetch it again, or leave it out")
