"""Regions on disk: computed once by a frozen encoder, in half precision, memory-mapped.

A store is a folder named after the network and a digest of its weights and preprocessing, so that regions of other weights or another
preprocessing are never read by mistake. It holds:

    about.json           what the digest was computed from, for people
    photos.jsonl         the index: one line for each photo in each view; see store_index.py
    regions-00000.bin    float16 rows (R, D), one after the other; a new file for every GiB

Rows reach the disk before the lines that name them. A killed program therefore leaves at worst rows without a line, which the next
one overwrites. A photo that changes gets a new row. One that is moved, renamed or copied keeps its row, since its bytes are the same.

Shapes: n photos, R regions, D region feature.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeGuard

import numpy
import torch
from filelock import FileLock
from torch import Tensor

from captioner.encoders.contract import Encoder, Vision, digest
from captioner.errors import UserError
from captioner.features.store_index import LINE_BYTES, Mark, StoreIndex
from captioner.files import existing, write_text_atomically

_SHARD_BYTES = 2**30


def is_stored(vision: Vision) -> TypeGuard[Encoder]:
    """Are its regions computed once and stored? Those of a frozen encoder are."""
    return isinstance(vision, Encoder) and vision.frozen


def store_folder(root: Path, encoder: Encoder, name: str, precision: torch.dtype = torch.float32) -> Path:
    """The folder of this encoder's regions: its name, and a digest of weights, preprocessing, region size and precision.

    The runtime is not part of it: regions of onnxruntime and of torch are the same to 1e-4 of the largest.
    """
    return root / f"{name}-{digest(encoder, _about(encoder, precision))[:12]}"


def _about(encoder: Encoder, precision: torch.dtype) -> dict:
    return {
        "format": 1,
        "computed_in": str(precision).removeprefix("torch."),
        "regions": encoder.layout.num_regions,
        "region_size": encoder.region_size,
        "preprocess": asdict(encoder.preprocess),
        **encoder.choices(),
    }


def store_row_bytes(encoder: Encoder) -> int:
    """Bytes on disk of one photo in one view, with its line in the index."""
    return 2 * encoder.layout.num_regions * encoder.packed_size + LINE_BYTES


def checksum(rows: Tensor) -> int:
    """CRC-32 of the bytes of rows."""
    return zlib.crc32(rows.numpy().tobytes())


@dataclass
class FeatureStore:
    """The stored regions of one encoder; see the head of this file.

    Args:
        folder: the store's own.
        shape: (R, D) of a row.
        about: written beside the rows, for people.
        precision: of the products that compute the rows. Rows are stored in float16.

    Raises:
        UserError: the folder's files do not fit together.
    """

    folder: Path
    shape: tuple[int, int]
    about: dict
    precision: torch.dtype = torch.float32
    index: StoreIndex = field(init=False)
    _mapped: dict[int, numpy.ndarray] = field(default_factory=dict, init=False)  # open shards by number

    def __post_init__(self):
        self.index = StoreIndex(self.folder / "photos.jsonl")

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        root: Path,
        name: str,
        precision: torch.dtype = torch.float32,
        also: Sequence[torch.dtype] = (),
    ) -> FeatureStore:
        """The store of this encoder below `root`, which need not exist yet.

        Args:
            precision: of the products that compute new rows.
            also: a store that was begun in one of these precisions, on another machine, is continued in `precision`.
        """
        shape = (encoder.layout.num_regions, encoder.packed_size)
        folders = {
            begun_in: store_folder(root, encoder, name, begun_in) for begun_in in dict.fromkeys((precision, *also))
        }
        begun_in = next((begun_in for begun_in, folder in folders.items() if folder.exists()), precision)
        folder, about = folders[begun_in], _about(encoder, begun_in) | {"network": name}
        store = cls(folder, shape, about, precision)
        store.refresh()
        return store

    @property
    def row_bytes(self) -> int:
        return 2 * self.shape[0] * self.shape[1]

    @property
    def rows_per_shard(self) -> int:
        return max(1, _SHARD_BYTES // self.row_bytes)

    def lock(self) -> FileLock:
        """Held while writing, so that only one program computes. It is released if that program is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock")

    def refresh(self) -> None:
        """Read the index again."""
        self._mapped = {}
        self.index.refresh()
        self._check_shards()

    def _check_shards(self) -> None:
        num_rows = self.index.num_rows
        for shard, first in enumerate(range(0, num_rows, self.rows_per_shard)):
            rows = min(self.rows_per_shard, num_rows - first)
            path = self._shard(shard)
            size = path.stat().st_size if path.exists() else 0
            if size < rows * self.row_bytes:
                raise UserError(
                    f"{path} should hold {rows * self.row_bytes:,} bytes, got {size:,}; delete {self.folder}, and "
                    "its regions are computed again"
                )

    def check_rows(self, rows: Sequence[Sequence[int]]) -> None:
        """Raise a UserError if the files do not hold these rows, which another process has stored."""
        if max((row for photo in rows for row in photo), default=-1) >= self.index.num_rows:
            raise UserError(
                f"{self.folder} does not hold the regions that the first process of this training stored; set run.features to a "
                "folder that all machines share"
            )

    def recognise(self, marks: Sequence[Mark]) -> None:
        """Give photos that were stored under another name or time their rows again."""
        with self._write_errors():
            self.index.recognise(marks)

    def size_of(self, num_rows: int) -> int:
        """Bytes on disk of so many rows."""
        return num_rows * (self.row_bytes + LINE_BYTES)

    def check_space(self, num_rows: int) -> None:
        """Refuse to start if the disk is too small."""
        needed, free = self.size_of(num_rows), shutil.disk_usage(existing(self.folder)).free
        if needed > free:
            raise UserError(
                f"regions of {num_rows:,} photos need {needed / 2**30:,.2f} GiB in {self.folder}, got {free / 2**30:,.2f} GiB free; "
                "free some, or set run.features to a folder on another disk"
            )

    def add(self, marks: Sequence[Mark], features: Tensor, unreadable: dict[Mark, str]) -> None:
        """Store rows (n, R, D), and which photos cannot be read; both are on the disk on return.

        Raises:
            UserError: a value is not finite in half precision, or the disk is full. Earlier rows stay.
        """
        features = features.to("cpu", torch.float16).contiguous()
        if not features.isfinite().all():
            raise UserError(
                f"regions of {marks[0][0]} or of photos next to it are not finite in half precision; the encoder's weights "
                "may be damaged"
            )
        with self._write_errors():
            if not (self.folder / "about.json").exists():
                write_text_atomically(self.folder / "about.json", json.dumps(self.about, indent=1) + "\n")
            self._write_rows(self.index.num_rows, features.numpy())
            self.index.add(marks, [checksum(row) for row in features], unreadable)
        self._mapped = {}

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"regions cannot be written into {self.folder} ({error.strerror or error}); earlier ones are kept: "
                "free some space and start again, or set run.features to another folder"
            ) from error

    def _write_rows(self, first: int, rows: numpy.ndarray) -> None:
        written = 0
        while written < len(rows):
            shard, row = divmod(first + written, self.rows_per_shard)
            count = min(len(rows) - written, self.rows_per_shard - row)
            path = self._shard(shard)
            path.touch()
            with path.open("r+b") as file:
                file.seek(row * self.row_bytes)
                file.write(rows[written : written + count].tobytes())
                file.flush()
                os.fsync(file.fileno())
            written += count

    def read(self, rows: Sequence[int]) -> Tensor:
        """A copy of some rows, (n, R, D) float16."""
        features = numpy.empty((len(rows), *self.shape), numpy.float16)
        for index, number in enumerate(rows):
            shard, row = divmod(number, self.rows_per_shard)
            if shard not in self._mapped:
                flat, size = numpy.memmap(self._shard(shard), numpy.float16, "r"), self.shape[0] * self.shape[1]
                self._mapped[shard] = flat[: len(flat) // size * size].reshape(-1, *self.shape)
            features[index] = self._mapped[shard][row]
        return torch.from_numpy(features)

    def _shard(self, number: int) -> Path:
        return self.folder / f"regions-{number:05}.bin"

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_mapped": {}}  # a data loader's worker maps the files itself
