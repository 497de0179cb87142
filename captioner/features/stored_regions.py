"""Regions of a frozen encoder as a source of batches: computed once, then read from the feature store.

Shapes: B photos, R regions, D region feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captioner.encoders.contract import Encoder
from captioner.errors import Unreachable, UserError
from captioner.features.sources import PhotoFiles, read_ahead, seen_as
from captioner.features.store import FeatureStore, checksum
from captioner.features.store_index import Mark, mark_of
from captioner.files import remove_unfinished
from captioner.progress import Report, silent
from captioner.regions import Placement, Regions


@dataclass
class StoredRegions:
    """Regions computed once by a frozen encoder, read from its feature store."""

    store: FeatureStore
    encoder: Encoder
    files: PhotoFiles
    rows: list[list[int]]  # for each photo, the row of each view in the store

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Regions:
        """Regions of some photos, each in its view; unchanged by default."""
        views = views or [0] * len(indices)
        rows = [self.rows[index][view] for index, view in zip(indices, views, strict=True)]
        return self.encoder.unpack(self.store.read(rows))

    def placement(self, index: int) -> Placement:
        return self.files.placement(index)


@torch.no_grad()
def store_regions(
    encoder: Encoder,
    files: PhotoFiles,
    store: FeatureStore,
    num_views: int = 1,
    batch_size: int = 32,
    split: str = "photos",
    report: Report = silent,
) -> tuple[StoredRegions, dict[int, str]]:
    """Run the frozen encoder on every photo and view that the store lacks.

    Args:
        split: the name of the split in the report.
        report: hears of the size before anything is written, and of each finished batch.

    Returns:
        The regions of the photos that can be read; and why the others cannot, by index.

    Raises:
        UserError: the disk is too small or full.
    """
    marks, unreadable = _marks(files.paths, num_views)
    wanted = [mark for photo in marks.values() for mark in photo]
    if store.index.missing(wanted):
        with store.lock():
            remove_unfinished(store.folder)
            store.refresh()
            unreadable |= _fill(encoder, files, store, marks, batch_size, split, report)
    rowless = {index: [mark for mark in photo if mark not in store.index.rows] for index, photo in marks.items()}
    unreadable |= {
        index: store.index.unreadable[own[0]]
        for index, own in rowless.items()
        if own and own[0] in store.index.unreadable
    }
    kept = [marks[index] for index in range(len(files)) if index not in unreadable]
    _verify(store, [mark for photo in kept for mark in photo])
    rows = [[store.index.rows[mark] for mark in photo] for photo in kept]
    return StoredRegions(store, encoder, files.without(unreadable), rows), dict(sorted(unreadable.items()))


def _verify(store: FeatureStore, marks: Sequence[Mark]) -> None:
    """Compare rows with their checksums. 8,000 rows of 49 regions of 1,280 numbers, which are 1 GB, take about half a second.

    Raises:
        UserError: a row is not the one that was stored.
    """
    for mark in marks:
        row = store.index.rows[mark]
        stored = store.index.checksums.get(row)  # none in stores of earlier versions
        if stored is not None and checksum(store.read([row])) != stored:
            raise UserError(
                f"the stored regions of {mark[0]} are damaged: row {row} in {store.folder} is not what was written there; "
                f"delete {store.folder}, and its regions are computed again"
            )


def _marks(paths: Sequence[Path], num_views: int) -> tuple[dict[int, list[Mark]], dict[int, str]]:
    """Each photo's marks, one for each view; and the photos without a file, or whose file cannot be asked for."""
    found = {index: _marks_of(path, num_views) for index, path in enumerate(paths)}
    marks = {index: photo for index, photo in found.items() if not isinstance(photo, str)}
    return marks, {index: photo for index, photo in found.items() if isinstance(photo, str)}


def _marks_of(path: Path, num_views: int) -> list[Mark] | str:
    """A photo's marks, or why it has none."""
    try:
        return [mark_of(path, view) for view in range(num_views)] if path.is_file() else f"no photo at {path}"
    except OSError as error:
        return f"{path} cannot be opened ({error.strerror}); check it and try again"


def _fill(
    encoder: Encoder,
    files: PhotoFiles,
    store: FeatureStore,
    marks: dict[int, list[Mark]],
    batch_size: int,
    split: str,
    report: Report,
) -> dict[int, str]:
    """Compute and store; returns the photos that could not be opened this time, which the store does not record."""
    wanted = [mark for photo in marks.values() for mark in photo]
    store.recognise([wanted[index] for index in store.index.missing(wanted)])
    lacking = [index for index, photo in marks.items() if store.index.missing(photo)]
    unreachable: dict[int, str] = {}
    if not lacking:  # another process was faster, or photos were only moved
        return unreachable
    num_rows = sum(len(store.index.missing(marks[index])) for index in lacking)
    store.check_space(num_rows)
    report.stored_regions(split, store.folder, num_rows, store.size_of(num_rows))
    if store.precision == torch.float32:
        encoder.expect(num_rows)
    for batch in read_ahead(lambda index: files.read(index)[0], lacking, batch_size):
        read = [(index, pixels) for index, pixels in batch if isinstance(pixels, Tensor)]
        errors = {index: error for index, error in batch if isinstance(error, UserError)}
        unreachable |= {index: str(error) for index, error in errors.items() if isinstance(error, Unreachable)}
        broken = {index: error for index, error in errors.items() if not isinstance(error, Unreachable)}
        unreadable = {
            marks[index][view]: str(error)
            for index, error in broken.items()
            for view in store.index.missing(marks[index])
        }
        rows = [
            (marks[index][view], seen_as(pixels, view))
            for index, pixels in read
            for view in store.index.missing(marks[index])
        ]
        for start in range(0, len(rows), batch_size):
            _encode(encoder, store, rows[start : start + batch_size])
        if unreadable:
            store.add([], torch.empty(0, *store.shape), unreadable)
        report.regions(split, len(rows) + len(unreadable), num_rows)
    return unreachable


def _encode(encoder: Encoder, store: FeatureStore, rows: Sequence[tuple[Mark, Tensor]]) -> None:
    device = next(encoder.parameters()).device
    pixels = torch.stack([pixels for _, pixels in rows]).to(device)
    with torch.autocast(device.type, store.precision, enabled=store.precision != torch.float32):
        packed = encoder.pack(encoder(pixels))
    store.add([mark for mark, _ in rows], packed, {})
