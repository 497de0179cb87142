"""Regions on disk: what a frozen encoder saw, computed once, half precision, memory-mapped.

A store is a folder named after the network, with a digest of its weights and preprocessing, so that other weights or another
preprocessing never read it. In it:

    about.json           what the digest stands for, for people
    photos.jsonl         one line for each photo in each view: its path, size, time of change and digest, and its row, or why it cannot be
                         read
    regions-00000.bin    float16 rows (R, D), one after the other; a new file for every GiB

Rows are on the disk before the lines that name them. A killed program therefore leaves at worst rows that nobody names, and the next
one writes over them. A photo that changed on disk gets a new row; one that was moved, renamed or copied keeps its own, since it has the
same bytes.

Shapes: n photos, R regions, D region feature.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeGuard

import numpy
import torch
from filelock import FileLock
from torch import Tensor

from captioner.encoders.contract import Encoder, Vision
from captioner.errors import UserError
from captioner.files import write_text_atomically

_SHARD_BYTES = 2**30
_DIGEST = 32  # hexadecimal digits
_LINE_BYTES = 260  # of the index, for each row, about
Mark = tuple[str, int, int, int]
"""A photo in a view: absolute path, bytes, time of change in nanoseconds, view."""


def mark(photo: Path, view: int) -> Mark:
    """What tells a photo in a view from every other, and from itself before it was changed."""
    found = photo.stat()
    return str(photo.absolute()), found.st_size, found.st_mtime_ns, view


def digest_of(found: Mark) -> str | None:
    """The same for photos of the same bytes, wherever they lie; None where the photo is no longer what was marked."""
    photo = Path(found[0])
    try:
        digest = hashlib.sha256(photo.read_bytes()).hexdigest()[:_DIGEST]
        return digest if mark(photo, found[3]) == found else None
    except OSError:
        return None


def store_folder(root: Path, encoder: Encoder, name: str, precision: torch.dtype = torch.float32) -> Path:
    """Where regions of this encoder lie: the network's name and a digest of weights, preprocessing, region size and precision."""
    digest = hashlib.sha256(json.dumps(_about(encoder, precision), sort_keys=True).encode())
    for key, tensor in sorted(encoder.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return root / f"{name}-{digest.hexdigest()[:12]}"


def _about(encoder: Encoder, precision: torch.dtype) -> dict:
    return {
        "format": 1,
        "computed_in": str(precision).removeprefix("torch."),
        "regions": encoder.layout.num_regions,
        "region_size": encoder.region_size,
        "preprocess": asdict(encoder.preprocess),
        **encoder.choices(),
    }


def is_stored(vision: Vision) -> TypeGuard[Encoder]:
    """Are its regions computed once and stored? Those of a frozen encoder are."""
    return isinstance(vision, Encoder) and vision.frozen


def store_row_bytes(encoder: Encoder) -> int:
    """Bytes that one photo in one view takes on the disk, its line in the index included."""
    return 2 * encoder.layout.num_regions * encoder.packed_size + _LINE_BYTES


@dataclass
class FeatureStore:
    """Rows of one encoder's regions; see the head of this file.

    Args:
        folder: the store's own.
        shape: (R, D) of a row.
        about: written beside the rows, for people.
        precision: of the products that rows are computed with; they are stored in float16 always.

    Raises:
        UserError: the folder's files do not fit together.
    """

    folder: Path
    shape: tuple[int, int]
    about: dict
    precision: torch.dtype = torch.float32
    rows: dict[Mark, int] = field(default_factory=dict)
    unreadable: dict[Mark, str] = field(default_factory=dict)
    contents: dict[tuple[str, int], int] = field(default_factory=dict)  # rows by digest of the photo, and view

    @classmethod
    def of(cls, encoder: Encoder, root: Path, name: str, precision: torch.dtype = torch.float32) -> FeatureStore:
        """The store of this encoder below `root`, there or not there yet."""
        shape = (encoder.layout.num_regions, encoder.packed_size)
        folder, about = store_folder(root, encoder, name, precision), _about(encoder, precision) | {"network": name}
        store = cls(folder, shape, about, precision)
        store.refresh()
        return store

    @property
    def row_bytes(self) -> int:
        return 2 * self.shape[0] * self.shape[1]

    @property
    def rows_per_shard(self) -> int:
        return max(1, _SHARD_BYTES // self.row_bytes)

    @property
    def _index(self) -> Path:
        return self.folder / "photos.jsonl"

    def lock(self) -> FileLock:
        """Held while writing, so that one program computes what another waits for; a killed program lets go of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock")

    def refresh(self) -> None:
        """Read the index again, without what a killed program left unfinished in it."""
        self.rows, self.unreadable, self.contents, self._mapped = {}, {}, {}, {}
        if not self._index.exists():
            return
        for line in self._complete_lines():
            found = (line["photo"], line["bytes"], line["changed"], line["view"])
            if "row" in line:
                self._note(found, line)
            else:
                self.unreadable[found] = line["unreadable"]
        self._check_shards()

    def _note(self, found: Mark, line: dict) -> None:
        self.rows[found] = line["row"]
        if "digest" in line:
            self.contents[line["digest"], found[3]] = line["row"]

    def _complete_lines(self) -> list[dict]:
        text = self._index.read_bytes()
        try:
            return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
        except ValueError as error:
            raise UserError(
                f"{self._index} is damaged ({error}); delete {self.folder} and regions are made anew"
            ) from error

    def _check_shards(self) -> None:
        last = max(self.rows.values(), default=-1)
        for shard in range((last + self.rows_per_shard) // self.rows_per_shard):
            rows = min(self.rows_per_shard, last + 1 - shard * self.rows_per_shard)
            path = self._shard(shard)
            size = path.stat().st_size if path.exists() else 0
            if size < rows * self.row_bytes:
                raise UserError(
                    f"{path} should hold {rows * self.row_bytes:,} bytes, got {size:,}; delete {self.folder} and "
                    "regions are made anew"
                )

    def missing(self, marks: Sequence[Mark]) -> list[int]:
        """Places in `marks` of what is neither stored nor known to be unreadable."""
        return [place for place, found in enumerate(marks) if found not in self.rows and found not in self.unreadable]

    def recognise(self, marks: Sequence[Mark]) -> None:
        """Give photos that were stored under another name or time their rows again; on the disk when this returns."""
        digested = set(self.contents.values())
        sizes = {size for (_, size, _, _), row in self.rows.items() if row in digested}
        digests = {found[0]: digest_of(found) for found in marks if found[1] in sizes}
        known = {found: digests[found[0]] for found in marks if (digests.get(found[0]), found[3]) in self.contents}
        rows = {found: self.contents[str(digest), found[3]] for found, digest in known.items()}
        if rows:
            with self._saying_what_failed():
                self._append_lines([_line(found) | {"digest": known[found], "row": row} for found, row in rows.items()])
        self.rows.update(rows)

    def size_of(self, num_rows: int) -> int:
        """Bytes that so many rows take on the disk."""
        return num_rows * (self.row_bytes + _LINE_BYTES)

    def check_space(self, num_rows: int) -> None:
        """Refuse before anything is written."""
        needed, free = self.size_of(num_rows), shutil.disk_usage(_existing(self.folder)).free
        if needed > free:
            raise UserError(
                f"regions of {num_rows:,} photos need {needed / 2**30:,.2f} GiB in {self.folder}, got {free / 2**30:,.2f} GiB free; "
                "free some, or give run.features=... a place on another disk"
            )

    def add(self, marks: Sequence[Mark], features: Tensor, unreadable: dict[Mark, str]) -> None:
        """Store rows (n, R, D), and what could not be read; both are on the disk when this returns.

        Raises:
            UserError: a value is not finite in half precision, or the disk is full; what was stored before stays.
        """
        features = features.to("cpu", torch.float16).contiguous()
        if not features.isfinite().all():
            raise UserError(
                f"regions of {marks[0][0]} or its neighbours are not finite in half precision; the encoder's weights "
                "may be damaged"
            )
        first = max(self.rows.values(), default=-1) + 1
        photos = {found[0]: found for found in marks}
        digests = {path: digest for path, found in photos.items() if (digest := digest_of(found))}
        lines = [_line(found) | {"row": first + place} for place, found in enumerate(marks)]
        lines = [line | ({"digest": digests[line["photo"]]} if line["photo"] in digests else {}) for line in lines]
        with self._saying_what_failed():
            self._start()
            self._write_rows(first, features.numpy())
            self._append_lines(lines + [_line(found) | {"unreadable": why} for found, why in unreadable.items()])
        for line, found in zip(lines, marks, strict=True):
            self._note(found, line)
        self.unreadable.update(unreadable)
        self._mapped = {}

    @contextmanager
    def _saying_what_failed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"regions cannot be written into {self.folder} ({error.strerror or error}); what was stored before is kept: "
                "free some space and start again, or give run.features=... another place"
            ) from error

    def _start(self) -> None:
        if not (self.folder / "about.json").exists():
            write_text_atomically(self.folder / "about.json", json.dumps(self.about, indent=1) + "\n")

    def _write_rows(self, first: int, rows: numpy.ndarray) -> None:
        written = 0
        while written < len(rows):
            shard, place = divmod(first + written, self.rows_per_shard)
            count = min(len(rows) - written, self.rows_per_shard - place)
            path = self._shard(shard)
            path.touch()
            with path.open("r+b") as file:
                file.seek(place * self.row_bytes)
                file.write(rows[written : written + count].tobytes())
                file.flush()
                os.fsync(file.fileno())
            written += count

    def _append_lines(self, lines: list[dict]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        self._index.touch()
        with self._index.open("r+b") as file:
            file.truncate(self._end_of_lines())
            file.seek(0, os.SEEK_END)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _end_of_lines(self) -> int:
        """Where the index's last whole line ends."""
        with self._index.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - 2**16)  # no line is longer
            file.seek(start)
            return start + file.read().rfind(b"\n") + 1

    def read(self, rows: Sequence[int]) -> Tensor:
        """(n, R, D) float16, a copy."""
        found = numpy.empty((len(rows), *self.shape), numpy.float16)
        for place, row in enumerate(rows):
            shard, index = divmod(row, self.rows_per_shard)
            if shard not in self._mapped:
                flat = numpy.memmap(self._shard(shard), numpy.float16, "r")
                whole = len(flat) // (self.shape[0] * self.shape[1])
                self._mapped[shard] = flat[: whole * self.shape[0] * self.shape[1]].reshape(whole, *self.shape)
            found[place] = self._mapped[shard][index]
        return torch.from_numpy(found)

    def _shard(self, number: int) -> Path:
        return self.folder / f"regions-{number:05}.bin"

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_mapped": {}}  # a process that reads beside this one maps the files itself


def _line(found: Mark) -> dict:
    return dict(zip(("photo", "bytes", "changed", "view"), found, strict=True))


def _existing(path: Path) -> Path:
    return next(folder for folder in [path.absolute(), *path.absolute().parents] if folder.exists())
