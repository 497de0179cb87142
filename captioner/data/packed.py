"""Photos with captions inside Parquet files, as Hugging Face stores them, inside the tars of WebDataset, and in other packed data sets.

They are unpacked once into a folder, since a photo is a file everywhere else: encoders, the feature store, checks and pictures read it
again and again, in any order. pyarrow and webdataset read the packed files.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock
from typing_extensions import TypedDict

from captioner.data.folder import ENDINGS
from captioner.data.table import references_of
from captioner.data.table_files import Row, renamed
from captioner.errors import UserError, library
from captioner.files import write_text_atomically
from captioner.progress import console, print_note
from captioner.readers import check_regular, parse_json, parsing, read_json

_CAPTIONS = ("txt", "caption", "captions", "text")
_ADVICE = "fetch it again"
_AT_ONCE = 64  # rows that are read together
_INDEX = "rows.json"
Sample = tuple[str, str, bytes | Path, Mapping[str, Any]]
"""The place of a row, as in `Row`; a name for the photo, its bytes or its file, and caption and split."""


class _Stored(TypedDict):
    about: dict[str, Any]  # the files that were unpacked
    rows: list[dict[str, Any]]


def packed_rows(files: Sequence[Path], folder: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of packed files as those of a table, after their photos were unpacked into a folder.

    Raises:
        UserError: a file is damaged or holds no photos, or its library is not installed.
    """

    def samples() -> Iterator[Sample]:
        for path in files:
            yield from _parquet(path, columns) if path.suffix.lower() == ".parquet" else _tar(path, columns)

    about = {"files": [mark(path) for path in files], "columns": dict(columns), "format": 2}
    origin = str(files[0]) if len(files) == 1 else f"{len(files):,} files such as {files[0]}"
    return unpacked_rows(about, samples, folder, origin)


def unpacked_rows(
    about: dict[str, Any], samples: Callable[[], Iterable[Sample]], folder: Path, origin: str
) -> Iterator[Row]:
    """The rows of samples, after their photos were unpacked into a folder.

    They are unpacked anew if `about` has changed. Unpacking that fails leaves the folder as it was.

    Args:
        about: which samples they are, in types of JSON.
        samples: reads them.
        folder: of the photos, and of the list of rows.
        origin: what is unpacked, for messages.

    Raises:
        UserError: the folder holds other files, there are no samples, or a row is incomplete.
        OSError: a file cannot be written.
    """
    index = folder / _INDEX
    with _locked(folder):
        stored = read_json(index, f"delete {folder}", _Stored) if index.exists() else None
        if stored is None or stored["about"] != about:
            rows = _replace(samples, folder, stored["rows"] if stored else [], origin)
            stored = _Stored(about=about, rows=rows)
            _write_index(folder, stored)
    yield from ((f"{index}, row {number}", row) for number, row in enumerate(stored["rows"], start=1))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A folder of this program's own, for one process at a time. It is removed if nothing was unpacked into it."""
    lock, created = FileLock(folder / ".lock"), []
    while not lock.is_locked:
        created = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process has failed, and removed the folder
            if not Path(lock.lock_file).exists() and any(folder.iterdir()):
                raise UserError(
                    f"{folder} holds other files, which unpacking could replace; set data.images to an empty or new folder"
                )
            lock.acquire()
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(folder)) from error  # a full disk names no file
    finally:
        if not (folder / _INDEX).exists():
            with suppress(OSError):  # another file is there
                Path(lock.lock_file).unlink()
                for path in created:
                    path.rmdir()
        lock.release()


def mark(path: Path) -> list[Any]:
    """What changes when a file changes."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]


def _replace(
    samples: Callable[[], Iterable[Sample]], folder: Path, earlier: Sequence[dict[str, Any]], origin: str
) -> list[dict[str, Any]]:
    """Unpack into a folder of its own, then replace the photos of the earlier rows. Returns the rows."""
    new = folder / ".unpacking"
    shutil.rmtree(new, ignore_errors=True)  # what a killed program left
    new.mkdir()
    names = {str(row.get("image")) for row in earlier}
    own = {name for name in names if Path(name).name == name}  # others are photos of the user's, where they lie
    rows: list[dict[str, Any]] = []

    def unpacked() -> Iterator[Row]:
        for place, row in _unpack(samples(), folder, new, own, origin):
            rows.append(dict(row))
            yield place, row

    try:
        references_of(unpacked())  # so that the message about an incomplete row names the packed file
        if not rows:
            raise UserError(f"{origin} should hold photos with captions, got none; check data.captions")
        # A program that is killed from here on leaves a list of all photos, and the next one replaces them.
        _write_index(folder, _Stored(about={}, rows=[*earlier, *rows]))
        for name in own:
            (folder / name).unlink(missing_ok=True)
        for photo in list(new.iterdir()):
            photo.replace(folder / photo.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return rows


def _write_index(folder: Path, stored: _Stored) -> None:
    write_text_atomically(folder / _INDEX, json.dumps(stored, ensure_ascii=False))


def _unpack(samples: Iterable[Sample], folder: Path, new: Path, own: Container[str], origin: str) -> Iterator[Row]:
    """Write the photos into the folder `new`, and return their rows. Rows with the same photo and name give captions to one photo.

    A photo gets a new name if another photo has it, or a file in `folder` that is not one of its `own` photos.
    """
    names: dict[tuple[Any, ...], str] = {}
    for place, wanted, photo, row in samples:
        digest = hashlib.blake2b(photo, digest_size=16).digest() if isinstance(photo, bytes) else photo
        key = (row.get("split"), wanted, digest)
        if isinstance(photo, Path):
            names[key] = str(photo)
        elif key not in names:
            if not names:
                print_note(f"unpacking the photos of {origin} into {folder}, once")
            name = _file_name(wanted, len(names))
            while name.lower() == _INDEX or (new / name).exists() or (name not in own and (folder / name).exists()):
                name = f"{len(names):08}_{name}"
            names[key] = name
            (new / name).write_bytes(photo)
        yield place, {"image": names[key], **row}
        console.print_seldom(f"{len(names):,} photos read")


def _file_name(wanted: str, number: int) -> str:
    """A name without folders and odd characters, since it is another's."""
    name = re.sub(r"[^\w.-]", "_", Path(wanted).name).encode()[-100:].decode(errors="ignore").lstrip(".")
    return name if Path(name).suffix else f"{name or f'{number:08}'}.jpg"


def _parquet(path: Path, columns: Mapping[str, str]) -> Iterator[Sample]:
    check_regular(path, _ADVICE)
    library("pyarrow", f"{path} is a Parquet file, which", "parquet")
    parquet = import_module("pyarrow.parquet")
    with parsing(path, "a Parquet file of photos and captions", _ADVICE):
        file = parquet.ParquetFile(path)
        own = renamed(file.schema_arrow.names, columns, str(path))
        batches = file.iter_batches(_AT_ONCE, columns=[*own])
        for number, values in enumerate((values for batch in batches for values in batch.to_pylist()), start=1):
            row = {own[name]: value for name, value in values.items()}
            photo = row.pop("image")
            photo = photo if isinstance(photo, dict) else {"bytes": photo}
            if not isinstance(photo.get("bytes"), bytes):
                raise UserError(
                    f"{path} should hold photos in its column image, as bytes or as Hugging Face stores them, got "
                    f"{str(photo.get('bytes') or photo.get('path'))[:100]!r}; photos are not fetched: give files that hold them"
                )
            yield f"{path}, row {number}", str(photo.get("path") or ""), photo["bytes"], row


def _tar(path: Path, columns: Mapping[str, str]) -> Iterator[Sample]:
    check_regular(path, _ADVICE)
    library("webdataset", f"{path} is a tar of photos, which", "webdataset")
    tars, bare = import_module("webdataset.tariterators"), []

    def refuse(error: Exception) -> None:
        name, twice, _ = str(error.args[0]).partition(": duplicate file name")
        if not twice:
            raise error
        raise UserError(
            f"{path} should hold one file of each ending for a photo, got a second {name}; leave one out"
        ) from error

    with parsing(path, "a tar of photos and captions as WebDataset has them", _ADVICE), path.open("rb") as file:
        files = tars.tar_file_expander([{"url": path.name, "stream": file}])
        for sample in tars.group_by_keys(files, handler=refuse):
            names = sorted(sample, key=lambda name: (name.count("."), name))  # png comes before mask.png
            parts = {name.lower().rpartition(".")[2]: name for name in reversed(names)}
            photo = next((name for name in names if f".{name.lower().rpartition('.')[2]}" in ENDINGS), None)
            if photo is None:
                bare.append(sample["__key__"])
            else:
                yield (
                    f"{path}, {sample['__key__']}",
                    f"{sample['__key__'].replace('/', '_')}.{photo}",
                    sample[photo],
                    _captions(sample, parts, columns, path),
                )
    if bare:
        print_note(f"left out of {path}, since no photo is with them: {len(bare):,} samples; first {bare[0]}")


def _captions(
    sample: Mapping[str, Any], parts: Mapping[str, str], columns: Mapping[str, str], path: Path
) -> dict[str, Any]:
    """The captions of a sample, from its text, each line one of them, or else from its JSON."""
    texts = [sample[parts[ending]].decode() for ending in _CAPTIONS if ending in parts]
    if texts:
        return {"caption": [line for line in texts[0].splitlines() if line.strip()]}
    if "json" not in parts:
        raise UserError(
            f"{path}: {sample['__key__']} should have a .txt or .json with its caption; add one, or leave it out"
        )
    origin = f"{path}, {sample['__key__']}.json"
    values = parse_json(sample[parts["json"]].decode(), origin, _ADVICE, dict[str, Any]) | {"image": ""}
    own = renamed([*values], columns, origin)
    return {own[name]: value for name, value in values.items() if own.get(name) in ("caption", "split")}
