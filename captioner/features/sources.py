"""Sources of a batch's photos: photo files, or regions that a frozen encoder computed earlier.

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
Result = TypeVar("Result")


def read_ahead(
    work: Callable[[Item], Result], items: Sequence[Item], batch_size: int
) -> Iterator[list[tuple[Item, Result | UserError]]]:
    """Batches of items with the results of `work`. Threads work ahead while the caller uses a batch.

    If `work` raises a UserError, the item comes with that error as its result.
    """

    def result_of(item: Item) -> tuple[Item, Result | UserError]:
        try:
            return item, work(item)
        except UserError as error:
            return item, error

    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for start in range(0, len(items), batch_size):
                while len(waiting) < 3 * batch_size and (done := start + len(waiting)) < len(items):
                    waiting.append(pool.submit(result_of, items[done]))
                yield [waiting.popleft().result() for _ in items[start : start + batch_size]]
        finally:
            pool.shutdown(cancel_futures=True)


class Source(Protocol):
    """Photos of a split, by their index."""

    def __len__(self) -> int: ...

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Tensor | Regions:
        """Pixels (B, 3, h, w) or regions of some photos, each in its view; unchanged by default."""
        ...

    def placement(self, index: int) -> Placement:
        """The position of the network's view on a photo."""
        ...


@dataclass
class PhotoFiles:
    """Reads and preprocesses photos when they are needed; keeps as many as fit into 1 GiB.

    A data loader's worker keeps none, since it ends with its epoch; it shares those that were kept before it started.
    """

    paths: list[Path]
    preprocess: View
    kept: dict[int, Tensor] = field(default_factory=dict)
    kept_bytes: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Tensor:
        """Pixels (B, 3, h, w) of some photos, each in its view; unchanged by default."""
        views = views or [0] * len(indices)
        return torch.stack([seen_as(self.pixels(index), view) for index, view in zip(indices, views, strict=True)])

    def placement(self, index: int) -> Placement:
        return self.read(index)[1]

    def read(self, index: int) -> tuple[Tensor, Placement]:
        """The network's view (3, h, w), and its position on the photo."""
        return self.preprocess(open_photo(self.paths[index]))

    def without(self, excluded: Collection[int]) -> PhotoFiles:
        """The other photos, with their kept pixels."""
        left = [index for index in range(len(self)) if index not in excluded]
        kept = {new: self.kept[old] for new, old in enumerate(left) if old in self.kept}
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


def unreadable_photos(files: PhotoFiles, indices: Sequence[int], tick: Callable[[int, int], None]) -> dict[int, str]:
    """The photos that cannot be read, and the reasons, by index. Photos that can be read are kept in `files` as far as they fit.

    `tick` is called with the number of photos done and the number of all.
    """
    unreadable, done = {}, 0
    for batch in read_ahead(files.pixels, indices, _CHECK_BATCH):
        unreadable |= {index: str(error) for index, error in batch if isinstance(error, UserError)}
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
    """Run the frozen encoder on every photo and view that the store lacks; with `compute=False`, wait for the process that does.

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
    while not compute and store.index.missing(wanted):
        time.sleep(_POLL_SECONDS)
        store.refresh()
    if store.index.missing(wanted):
        with store.lock():
            store.refresh()
            unreadable |= _fill(encoder, files, store, marks, batch_size, split, report)
    unreadable |= {
        index: store.index.unreadable[photo[0]]
        for index, photo in marks.items()
        if any(mark in store.index.unreadable for mark in photo)
    }
    rows = [[store.index.rows[mark] for mark in marks[index]] for index in range(len(files)) if index not in unreadable]
    return StoredRegions(store, encoder, files.without(unreadable), rows), dict(sorted(unreadable.items()))


def _marks(paths: Sequence[Path], num_views: int) -> tuple[dict[int, list[Mark]], dict[int, str]]:
    """Each photo's marks, one for each view; and the photos without a file."""
    missing = {index: f"no photo at {path}" for index, path in enumerate(paths) if not path.is_file()}
    present = [index for index in range(len(paths)) if index not in missing]
    return {index: [mark_of(paths[index], view) for view in range(num_views)] for index in present}, missing


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
    for batch in read_ahead(lambda index: files.read(index)[0], lacking, batch_size):
        read = [(index, pixels) for index, pixels in batch if isinstance(pixels, Tensor)]
        errors = {index: error for index, error in batch if isinstance(error, UserError)}
        unreachable |= {index: str(error) for index, error in errors.items() if isinstance(error, Unreachable)}
        broken = {index: error for index, error in errors.items() if not isinstance(error, Unreachable)}
        unreadable = {mark: str(error) for index, error in broken.items() for mark in marks[index]}
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
