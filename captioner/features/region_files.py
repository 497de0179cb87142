"""Published regions: one file for each photo, with features and boxes, as bottom-up attention published them.

Shapes: B photos, R regions at most, n regions of one photo, D region feature.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from captioner.encoders.contract import Vision
from captioner.encoders.preprocess import photo_size
from captioner.errors import UserError
from captioner.ranges import NumBoxes, Size
from captioner.readers import check_regular, parsing
from captioner.regions import Boxes, Grid, Placement, Regions

_FEATURES = ("features", "feat", "x", "att_feat")
_BOXES = ("boxes", "bbox")
_AGAIN = "compute it again, or leave its photo out"
_WIDTHS, _HEIGHTS = ("image_w", "image_width", "width"), ("image_h", "image_height", "height")


class RegionFiles(Vision):
    """Published regions, read from one file for each photo. There is no network, so a model that uses them cannot caption new photos.

    The file of a photo is `folder`/NAME.npz or .npy. NAME is the photo's name without its suffix, or the number at its end without
    leading zeros (42 for COCO_val2014_000000000042.jpg). An .npz file holds features under `features`, `feat`, `x` or `att_feat`, and
    boxes (left, top, right, bottom in pixels) under `boxes` or `bbox`. An .npy file holds features; their boxes are in
    `boxes`/NAME.npy. Features are (n, D), also transposed if they are called `x`; or (rows, columns, D), which tile the photo and need
    no boxes. Boxes refer to the size that the file states (`image_w`, `image_h`), or else to the photo's.

    Args:
        folder: folder of the feature files.
        region_size: size of a region's feature (D).
        boxes: folder of the box files, for .npy features.
        max_boxes: maximum number of regions of a photo (R). Further boxes are dropped; a larger grid is refused.
    """

    def __init__(self, folder: str, region_size: Size = 2048, boxes: str = "", max_boxes: NumBoxes = 100):
        super().__init__()
        self.folder, self.boxes = Path(folder), Path(boxes) if boxes else None
        self.region_size, self.max_boxes = region_size, max_boxes
        self.layout = Boxes(torch.zeros(max_boxes, 4))
        boxes_folder = None if self.boxes is None else self.boxes.resolve()
        self.preprocess = WholePhoto((self.folder.resolve(), boxes_folder, region_size, max_boxes))
        self.frozen = True

    def read(self, photo: Path) -> tuple[Tensor, Tensor]:
        """Features (n, D) and corners (n, 4) as fractions of the photo.

        Raises:
            UserError: there is no file, or its content does not fit.
        """
        path = self._file(photo)
        with parsing(path, "the regions of a photo", _AGAIN):
            check_regular(path, _AGAIN)
            with numpy.errstate(all="ignore"):  # what does not fit into a float32 becomes infinite, and is refused
                return self._read(path, photo)

    def _read(self, path: Path, photo: Path) -> tuple[Tensor, Tensor]:
        arrays = _load(path)
        features = _first(arrays, _FEATURES)
        if features is None:
            raise UserError(
                f"{path} should hold features under one of {', '.join(_FEATURES)}, got {', '.join(arrays) or 'nothing'}"
            )
        if "x" in arrays and features.ndim == 2 and features.shape[0] == self.region_size != features.shape[1]:
            features = features.T
        if features.ndim not in (2, 3) or features.shape[-1] != self.region_size:
            raise UserError(
                f"{path} should hold features of {self.region_size} numbers, got shape {features.shape}; set encoder.region_size"
            )
        if not features.size:
            raise UserError(f"{path} should hold at least one region, got shape {features.shape}; {_AGAIN}")
        if features.ndim == 3 and (cells := features.shape[0] * features.shape[1]) > self.max_boxes:
            raise UserError(
                f"{path} holds a grid of {features.shape[0]} x {features.shape[1]} regions, of which encoder.max_boxes="
                f"{self.max_boxes} would drop the lower part of the photo; set encoder.max_boxes={cells}"
            )
        corners = self._corners(path, photo, arrays, features)
        features = torch.from_numpy(numpy.ascontiguousarray(features, dtype=numpy.float32)).flatten(0, -2)
        if len(corners) != len(features):
            raise UserError(f"{path} should hold as many boxes as features, got {len(corners)} and {len(features)}")
        if not features.isfinite().all() or not corners.isfinite().all():
            raise UserError(f"{path} should hold features and boxes of finite numbers, got others; {_AGAIN}")
        return features[: self.max_boxes], corners[: self.max_boxes]

    def _corners(self, path: Path, photo: Path, arrays: dict, features: numpy.ndarray) -> Tensor:
        if features.ndim == 3:
            return Grid(*features.shape[:2]).corners().float()
        boxes = _first(arrays, _BOXES)
        if boxes is None and self.boxes is not None and (self.boxes / f"{path.stem}.npy").is_file():
            boxes = _load(self.boxes / f"{path.stem}.npy")["features"]
        if boxes is None or boxes.ndim != 2 or boxes.shape[1] != 4:
            came = "none" if boxes is None else f"shape {boxes.shape}"
            raise UserError(f"{path} needs boxes (n, 4) under boxes or bbox, or in encoder.boxes, got {came}")
        width, height = _first(arrays, _WIDTHS), _first(arrays, _HEIGHTS)
        size = photo_size(photo) if width is None or height is None else (float(width), float(height))
        return torch.from_numpy(boxes.astype(numpy.float32)) / torch.tensor([*size, *size])

    def _file(self, photo: Path) -> Path:
        number = re.search(r"(\d+)$", photo.stem)
        names = [photo.stem, *([str(int(number.group(1)))] if number else [])]
        candidates = [self.folder / f"{name}{suffix}" for name in names for suffix in (".npz", ".npy")]
        for path in candidates:
            if os.path.exists(path):
                return path
        raise UserError(
            f"no regions of {photo.name}: none of {', '.join(map(str, candidates))} exists; check encoder.folder"
        )


@dataclass(frozen=True)
class WholePhoto:
    """The whole photo as the view of published regions, whose network does not run here; the pixels are only a placeholder.

    Args:
        read_from: folder, box folder, size and number of the regions; models with equal views read the same regions.
    """

    read_from: tuple[Path, Path | None, int, int]

    @property
    def crop(self) -> tuple[int, int]:
        return 1, 1

    def placement(self, photo_size: tuple[int, int]) -> Placement:
        return Placement.whole(photo_size)

    def __call__(self, photo: Image.Image) -> tuple[Tensor, Placement]:
        return torch.zeros(3, 1, 1, dtype=torch.uint8), Placement.whole(photo.size)


@dataclass
class PublishedRegions:
    """Regions of the photos of a split, read from their files when they are needed."""

    paths: list[Path]
    files: RegionFiles

    def __len__(self) -> int:
        return len(self.paths)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Regions:
        """Regions of some photos, padded to the largest number among them."""
        photos = [self.files.read(self.paths[index]) for index in indices]
        features, corners = zip(*photos, strict=True)
        return Regions.of_boxes(features, corners, cells=self.files.max_boxes)

    def unreadable(self, indices: Sequence[int]) -> dict[int, str]:
        """The photos without regions that can be read, and the reasons, by index."""
        reasons = {index: self._problem(self.paths[index]) for index in indices}
        return {index: reason for index, reason in reasons.items() if reason is not None}

    def _problem(self, photo: Path) -> str | None:
        try:
            self.files.read(photo)
        except UserError as error:
            return str(error)
        return None

    def without(self, excluded: Collection[int]) -> PublishedRegions:
        return PublishedRegions([path for index, path in enumerate(self.paths) if index not in excluded], self.files)

    def placement(self, index: int) -> Placement:
        return Placement.whole(photo_size(self.paths[index]))


def _load(path: Path) -> dict:
    """The arrays of a file by name; that of an .npy file is called `features`."""
    from captioner.readers.arrays import read_arrays

    return read_arrays(path, "give .npz or .npy files without pickles")


def _first(arrays: dict, names: Sequence[str]) -> numpy.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)
