"""Where a batch's photos come from: the files themselves, or regions that a frozen encoder made earlier.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from captioner.encoders.contract import Encoder, View
from captioner.encoders.preprocess import open_photo
from captioner.errors import Unreachable, UserError
from captioner.features.store import FeatureStore
from captioner.features.store_index import Mark, mark_of
from captioner.features.views import seen_as
from captioner.progress import Report, silent
from captioner.regions import Placement, Regions

_KEEP_BYTES = 2**30
_READERS = 2
_CHECK_BATCH = 32
_POLL_SECONDS = 2.0
Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(
    work: Callable[[Item], Found], items: Sequence[Item], batch_size: int
) -> Iterator[list[tuple[Item, Found | UserError]]]:
    """Batches of items and what `work` made of them; threads work ahead while the caller uses the batch it has.

    An item on which `work` raises a UserError comes with that error in its place.
    """

    def one(item: Item) -> tuple[Item, Found | UserError]:
        try:
            return item, work(item)
        except UserError as error:
            return item, error

    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for start in range(0, len(items), batch_size):
                while len(waiting) < 3 * batch_size and (done := start + len(waiting)) < len(items):
                    waiting.append(pool.submit(one, items[done]))
                yield [waiting.popleft().result() for _ in items[start : start + batch_size]]
        finally:
            pool.shutdown(cancel_futures=True)


class Source(Protocol):
    """Where photos come from, by their place in a split."""

    def __len__(self) -> int: ...

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Tensor | Regions:
        """Pixels (B, 3, h, w) or regions of some photos, each in its view; upright where none are given."""
        ...

    def placement(self, index: int) -> Placement:
        """How the network's view lies on a photo."""
        ...


@dataclass
class PhotoFiles:
    """Reads and prepares photos when they are asked for; keeps what fits into 1 GiB.

    A data loader's worker keeps none: it ends with its epoch. What was kept before it started is there for it too.
    """

    paths: list[Path]
    preprocess: View
    kept: dict[int, Tensor] = field(default_factory=dict)
    kept_bytes: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Tensor:
        """Pixels (B, 3, h, w) of some photos, each in its view; upright where none are given."""
        views = views or [0] * len(indices)
        return torch.stack([seen_as(self.pixels(index), view) for index, view in zip(indices, views, strict=True)])

    def placement(self, index: int) -> Placement:
        return self.read(index)[1]

    def read(self, index: int) -> tuple[Tensor, Placement]:
        """The network's view (3, h, w), and how it lies on the photo."""
        return self.preprocess(open_photo(self.paths[index]))

    def without(self, gone: Collection[int]) -> PhotoFiles:
        """The other photos, with what is kept of them."""
        left = [index for index in range(len(self)) if index not in gone]
        kept = {place: self.kept[index] for place, index in enumerate(left) if index in self.kept}
        return PhotoFiles([self.paths[index] for index in left], self.preprocess, kept, self.kept_bytes)

    def pixels(self, index: int) -> Tensor:
        """The network's view (3, h, w)."""
        if index in self.kept:
            return self.kept[index]
        pixels, _ = self.read(index)
        if get_worker_info() is None and self.kept_bytes + pixels.nbytes <= _KEEP_BYTES:
            self.kept[index] = pixels
            self.kept_bytes += pixels.nbytes
        return pixels


@dataclass
class StoredRegions:
    """Regions computed once by a frozen encoder, read from its feature store."""

    store: FeatureStore
    encoder: Encoder
    files: PhotoFiles
    rows: list[list[int]]  # of each photo, one row of the store for each view

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Regions:
        """Regions of some photos, each in its view; upright where none are given."""
        views = views or [0] * len(indices)
        rows = [self.rows[index][view] for index, view in zip(indices, views, strict=True)]
        return self.encoder.unpack(self.store.read(rows))

    def placement(self, index: int) -> Placement:
        return self.files.placement(index)


def unreadable_photos(files: PhotoFiles, indices: Sequence[int], tick: Callable[[int, int], None]) -> dict[int, str]:
    """Why some of these photos cannot be read; what can be is kept in `files` as far as it fits.

    `tick` hears how many of how many are done.
    """
    unreadable, done = {}, 0
    for batch in read_ahead(files.pixels, indices, _CHECK_BATCH):
        unreadable |= {index: str(found) for index, found in batch if isinstance(found, UserError)}
        done += len(batch)
        tick(done, len(indices))
    return unreadable


@torch.no_grad()
def store_regions(
    encoder: Encoder,
    files: PhotoFiles,
    store: FeatureStore,
    num_views: int = 1,
    batch_size: int = 32,
    split: str = "photos",
    report: Report = silent,
    compute: bool = True,
) -> tuple[StoredRegions, dict[int, str]]:
    """Run the frozen encoder over every photo and view that the store lacks; or wait for the process that does, if not `compute`.

    `report` hears, under the name of the split, of the bytes to be written before the first is, and of each finished batch. Returns the
    regions of the photos that can be read, and why the others cannot be, by their index in `files`.

    Raises:
        UserError: the disk is too small or full.
    """
    marks, gone = _marks(files.paths, num_views)
    wanted = [found for photo in marks.values() for found in photo]
    while not compute and store.index.missing(wanted):
        time.sleep(_POLL_SECONDS)
        store.refresh()
    if store.index.missing(wanted):
        with store.lock():
            store.refresh()
            gone |= _fill(encoder, files, store, marks, batch_size, split, report)
    gone |= {
        index: store.index.unreadable[photo[0]]
        for index, photo in marks.items()
        if any(m in store.index.unreadable for m in photo)
    }
    rows = [[store.index.rows[found] for found in marks[index]] for index in range(len(files)) if index not in gone]
    return StoredRegions(store, encoder, files.without(gone), rows), dict(sorted(gone.items()))


def _marks(paths: Sequence[Path], num_views: int) -> tuple[dict[int, list[Mark]], dict[int, str]]:
    """Each photo's marks, one a view; and the photos that are not there."""
    gone = {index: f"no photo at {path}" for index, path in enumerate(paths) if not path.is_file()}
    there = [index for index in range(len(paths)) if index not in gone]
    return {index: [mark_of(paths[index], view) for view in range(num_views)] for index in there}, gone


def _fill(
    encoder: Encoder,
    files: PhotoFiles,
    store: FeatureStore,
    marks: dict[int, list[Mark]],
    batch_size: int,
    split: str,
    report: Report,
) -> dict[int, str]:
    """Compute and store; returns the photos that could not be opened this time, which is not stored."""
    wanted = [found for photo in marks.values() for found in photo]
    store.recognise([wanted[place] for place in store.index.missing(wanted)])
    lacking = [index for index, photo in marks.items() if store.index.missing(photo)]
    unreachable: dict[int, str] = {}
    if not lacking:  # somebody else was faster, or photos were only moved
        return unreachable
    num_rows = sum(len(store.index.missing(marks[index])) for index in lacking)
    store.check_space(num_rows)
    report.stored_regions(split, store.folder, num_rows, store.size_of(num_rows))
    for batch in read_ahead(lambda index: files.read(index)[0], lacking, batch_size):
        read = [(index, pixels) for index, pixels in batch if isinstance(pixels, Tensor)]
        unreachable |= {index: str(why) for index, why in batch if isinstance(why, Unreachable)}
        broken = [(index, why) for index, why in batch if isinstance(why, UserError) and index not in unreachable]
        unreadable = {found: str(why) for index, why in broken for found in marks[index]}
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
    store.add([found for found, _ in rows], packed, {})
