r"""How unlike its training photos a photo is, as a model sees it.

With $x$ the mean region of a photo, or its feature as a whole where regions have one, and $V$ (k, D) the directions that hold most of the
training photos' unit vectors $x / |x|$, the distance is $1 - |V x|^2 / |x|^2$, from 0 to 1: the share of the photo that lies outside these
directions. It is divided by the distance that 99 % of the validation photos do not reach, so that above 1 a photo is unlike the training
photos.

Source: the residual of Wang et al. 2022 (ViM). Differs: unit vectors instead of centred features, and no logits.

Shapes: B photos, N training photos, M validation photos, D the size of x, k directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from captioner.files import replacing
from captioner.readers import parsing
from captioner.readers.arrays import read_arrays
from captioner.regions import Regions

_DIRECTIONS = 64
_USUAL = 0.99  # share of the validation photos that count as like the training photos


@dataclass(frozen=True)
class TrainingPhotos:
    """What a packed model keeps of its training photos."""

    directions: Tensor  # (k, D), orthonormal
    limit: float  # the distance that 99 % of the validation photos do not reach
    num_train: int
    num_val: int

    @classmethod
    def of(cls, train: Tensor, val: Tensor) -> TrainingPhotos:
        """From $x$ of training photos (N, D) and of validation photos (M, D)."""
        unit = functional.normalize(train.double(), dim=1)
        k = max(1, min(_DIRECTIONS, train.shape[1] // 4, len(train) // 4))
        directions = torch.linalg.eigh(unit.T @ unit).eigenvectors.flip(1)[:, :k].T.half().float()  # as they are saved
        limit = float(distance(val, directions).quantile(_USUAL))
        return cls(directions, max(limit, 1e-6), len(train), len(val))

    def unlike(self, regions: Regions) -> list[float]:
        """For each photo of a batch: its distance, as a multiple of the limit."""
        mean = regions.to(dtype=torch.float32).photo()
        return (distance(mean, self.directions.to(mean.device)) / self.limit).tolist()

    def save(self, path: Path) -> None:
        about = numpy.array([self.limit, self.num_train, self.num_val])
        with replacing(path) as temporary, temporary.open("wb") as file:
            numpy.savez(file, directions=self.directions.half().numpy(), about=about)

    @classmethod
    def load(cls, path: Path) -> TrainingPhotos:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file is damaged.
        """
        advice = "restore an intact copy, or delete it to go without"
        arrays = read_arrays(path, advice)
        with parsing(path, "training photos saved by this program", advice):
            limit, num_train, num_val = arrays["about"].tolist()
            directions = torch.from_numpy(arrays["directions"]).float()
            if directions.dim() != 2 or not directions.isfinite().all() or not 0 < limit < 2:
                raise ValueError("its numbers are no directions and distance")
            return cls(directions, limit, int(num_train), int(num_val))


def distance(mean: Tensor, directions: Tensor) -> Tensor:
    """(B,): the share of $x$ (B, D) outside the directions (k, D), 0 to 1."""
    unit = functional.normalize(mean.float(), dim=1)
    return (1 - (unit @ directions.T).square().sum(1)).clamp(min=0)
