"""Sources of a batch's photos: photo files, or regions that a frozen encoder computed earlier; and their views, the flips and quarter turns
of a photo. For an aerial photo, all of them are as natural as the photo itself.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from captioner.encoders.contract import View
from captioner.encoders.preprocess import open_photo, photo_size
from captioner.errors import UserError
from captioner.regions import Placement, Regions

VIEWS = {"none": 1, "flips": 2, "turns": 8}
"""Number of views by augmentation: the photo; also its mirror image; both in each of the four quarter turns."""
_KEEP_BYTES = 2**30
_CHECK_BATCH = 32
_READERS = 2  # threads
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def seen_as(pixels: Tensor, view: int) -> Tensor:
    """Pixels (..., h, w) in one of eight views: 0 unchanged, 1 mirrored left to right; then both turned by 1 to 3 quarters."""
    turns, mirrored = divmod(view, 2)
    if turns % 2 and pixels.shape[-1] != pixels.shape[-2]:
        raise ValueError(
            f"a quarter turn needs a square view of the photo, got {pixels.shape[-1]} x {pixels.shape[-2]} pixels; "
            "choose augment: flips, or a square input size"
        )
    return (pixels.flip(-1) if mirrored else pixels).rot90(turns, (-2, -1))


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
        return self.preprocess.placement(photo_size(self.paths[index]))

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


def read_ahead(
    work: Callable[[_Item], _Result], items: Sequence[_Item], batch_size: int
) -> Iterator[list[tuple[_Item, _Result | UserError]]]:
    """Batches of items with the results of `work`. Threads work ahead while the caller uses a batch.

    If `work` raises a UserError, the item comes with that error as its result.
    """

    def result_of(item: _Item) -> tuple[_Item, _Result | UserError]:
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
