"""A digest of each photo of a run and of its captions, kept in the run folder: it says what has changed when the run goes on.

A photo is identified by its id in its split. Of its file, name and size count, and in data sets of up to 20,000 photos the first and
last 4 KiB; folder and time do not, since copies change them. The order of its captions does not count either.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy

from captioner.data.contract import NEEDED, Example, Splits
from captioner.files import replacing

_END_BYTES = 4096
_MOST_OPENED = 20_000  # photos; opening more would delay a start
_KINDS = {"ids": "u8", "captions": "u4", "names": "u4", "ends": "u4"}
"""What is kept of each photo, with the type of numpy; `ends` is 0 where the file was not opened."""
Digests = dict[str, numpy.ndarray]


def write_digests(path: Path, splits: Splits) -> None:
    """Write the digests of the photos of train and val."""
    with replacing(path) as beside, beside.open("wb") as file:
        numpy.savez(file, **digests_of(splits))  # pyright: ignore[reportArgumentType]


def digest_of(examples: Sequence[Example]) -> str:
    """A digest of the ids of photos and their captions, in their order."""
    text = "\n".join(f"{example.id!r} {example.references!r}" for example in examples)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def changes_since(path: Path, splits: Splits, now: Digests | None = None) -> str:
    """What of train and val differs from when the file was written, in a line; empty if nothing does. `now` are the digests of `splits`.

    Raises:
        UserError: the file is damaged.
    """
    from captioner.readers import parsing
    from captioner.readers.arrays import read_arrays

    advice = "delete it, and later changes of the data are compared with those of today"
    before, now = read_arrays(path, advice), now or digests_of(splits)
    with parsing(path, "the digests of a run's data", advice):
        changes = [change for split in _trained(splits) for change in _of_split(split, before, now, splits[split])]
    return ", ".join(changes)


def _trained(splits: Splits) -> list[str]:
    return [split for split in NEEDED if split in splits]


def _of_split(split: str, before: Digests, now: Digests, examples: Sequence[Example]) -> list[str]:
    rows = {
        name: {row[0]: row[1:] for row in _rows(split, arrays)} for name, arrays in (("then", before), ("now", now))
    }
    changed: dict[str, list[str]] = {"with other captions": [], "replaced": [], "added": []}
    for number, example in zip(now[f"{split}_ids"].tolist(), examples, strict=True):
        (captions, name, ends), then = rows["now"][number], rows["then"].get(number)
        if then is None:
            changed["added"].append(example.image.name)
            continue
        if captions != then[0]:
            changed["with other captions"].append(example.image.name)
        if name != then[1] or (ends and then[2] and ends != then[2]):
            changed["replaced"].append(example.image.name)
    listed = [f"{_photos(names)} of {split} {what} (first {names[0]})" for what, names in changed.items() if names]
    missing = rows["then"].keys() - rows["now"].keys()
    return listed + ([f"{_photos(missing)} of {split} missing"] if missing else [])


def _photos(changed: Collection) -> str:
    return f"{len(changed):,} photo{'s' if len(changed) > 1 else ''}"


def _rows(split: str, arrays: Digests) -> zip:
    return zip(*(arrays[f"{split}_{kind}"].tolist() for kind in _KINDS), strict=True)


def digests_of(splits: Splits) -> Digests:
    """What is kept of the photos of train and val."""
    opened = sum(len(splits[split]) for split in _trained(splits)) <= _MOST_OPENED
    found: Digests = {}
    for split in _trained(splits):
        rows = [_of_example(example, opened) for example in splits[split]]
        for index, (kind, number_type) in enumerate(_KINDS.items()):
            found[f"{split}_{kind}"] = numpy.array([row[index] for row in rows], number_type)
    return found


def _of_example(example: Example, opened: bool) -> tuple[int, int, int, int]:
    number = int.from_bytes(
        hashlib.blake2b(repr(example.id).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
    captions = _crc("\n".join(sorted(example.references)))
    try:
        size = example.image.stat().st_size
        ends = _ends(example.image, size) if opened else 0
    except OSError:  # it is reported where photos are read
        size, ends = -1, 0
    return number, captions, _crc(f"{example.image.name} {size}"), ends


def _crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _ends(path: Path, size: int) -> int:
    with path.open("rb") as file:
        start = file.read(_END_BYTES)
        file.seek(max(0, size - _END_BYTES))
        return zlib.crc32(file.read(_END_BYTES), zlib.crc32(start)) or 1
