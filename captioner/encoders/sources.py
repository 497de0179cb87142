"""Where a batch's photos come from: the files themselves, or regions that a frozen encoder made earlier.

Shapes: N photos of a split, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from captioner.encoders.contract import Encoder
from captioner.encoders.preprocess import Preprocess, open_photo
from captioner.regions import Placement, Regions

_KEEP_BYTES = 2**30


@dataclass
class PhotoFiles:
    """Reads and prepares photos when they are asked for; keeps what fits into 1 GiB."""

    paths: list[Path]
    preprocess: Preprocess
    kept: dict[int, Tensor] = field(default_factory=dict)
    kept_bytes: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def __call__(self, indices: Sequence[int]) -> Tensor:
        return torch.stack([self._pixels(index) for index in indices])

    def placement(self, index: int) -> Placement:
        return self.read(index)[1]

    def read(self, index: int) -> tuple[Tensor, Placement]:
        """The network's view (3, h, w), and how it lies on the photo."""
        return self.preprocess(open_photo(self.paths[index]))

    def _pixels(self, index: int) -> Tensor:
        if index in self.kept:
            return self.kept[index]
        pixels, _ = self.read(index)
        if self.kept_bytes + pixels.nbytes <= _KEEP_BYTES:
            self.kept[index] = pixels
            self.kept_bytes += pixels.nbytes
        return pixels


@dataclass
class StoredRegions:
    """Regions computed once by a frozen encoder, in half precision."""

    features: Tensor  # (N, R, D) float16
    encoder: Encoder
    files: PhotoFiles

    def __len__(self) -> int:
        return len(self.features)

    def __call__(self, indices: Sequence[int]) -> Regions:
        return Regions.full(self.features[torch.as_tensor(indices)], self.encoder.layout)

    def placement(self, index: int) -> Placement:
        return self.files.placement(index)


@torch.no_grad()
def store_regions(
    encoder: Encoder,
    files: PhotoFiles,
    device: torch.device,
    batch_size: int = 16,
    tick: Callable[[int], None] = lambda count: None,
) -> StoredRegions:
    """Run the frozen encoder over every photo once; `tick` hears how many photos each batch had."""
    features = torch.empty(len(files), encoder.layout.num_regions, encoder.region_size, dtype=torch.float16)
    for start in range(0, len(files), batch_size):
        indices = range(start, min(start + batch_size, len(files)))
        pixels = torch.stack([files.read(index)[0] for index in indices])
        features[start : indices.stop] = encoder(pixels.to(device)).features.to("cpu", torch.float16)
        tick(len(indices))
    return StoredRegions(features, encoder, files)
