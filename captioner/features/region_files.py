"""Regions that others have made and published: one file for each photo, features and boxes, bottom-up style.

Shapes: B photos, R regions at most, n regions of one photo, D region feature.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from captioner.encoders.contract import Encoder
from captioner.errors import UserError
from captioner.ranges import Size
from captioner.regions import Boxes, Grid, Placement, Regions

_ORIENTATION = 0x0112  # EXIF; 5 to 8 are turned on their side
_FEATURES = ("features", "feat", "x", "att_feat")
_BOXES = ("boxes", "bbox")
_WIDTHS, _HEIGHTS = ("image_w", "image_width", "width"), ("image_h", "image_height", "height")


class RegionFiles(Encoder):
    """Reads a photo's regions from a file instead of looking at it.

    A photo's file is `folder`/NAME.npz or .npy, with NAME the photo's own name without its suffix, or the number at its end without zeros
    (COCO_val2014_000000000042.jpg: 42), as published files are called. An .npz holds features under one of `features, feat, x,
    att_feat`, and boxes, left, top, right and bottom in pixels, under `boxes` or `bbox`; an .npy holds features, and its boxes lie in
    `boxes`/NAME.npy. Features are (n, D), transposed where the file says `x`; or (rows, columns, D), which tile the photo and need no
    boxes. Boxes are fractions of the size that the file states (`image_w`, `image_h`), or else of the photo's.

    Args:
        folder: the folder of feature files.
        region_size: D.
        boxes: the folder of box files, for .npy features.
        max_boxes: R; of more regions the first are kept.
    """

    def __init__(self, folder: str, region_size: Size = 2048, boxes: str = "", max_boxes: Size = 100):
        super().__init__()
        self.folder, self.boxes = Path(folder), Path(boxes) if boxes else None
        self.region_size, self.max_boxes = region_size, max_boxes
        self.layout = Boxes(torch.zeros(max_boxes, 4))
        self.preprocess = WholePhoto()  # pyright: ignore[reportAttributeAccessIssue]
        self.frozen = True

    def forward(self, pixels: Tensor) -> Regions:
        raise UserError(
            "this model's regions come from files that others made, so it cannot look at a new photo; score splits with eval.py, or train "
            "with an encoder that sees, such as encoder.kind=resnet101"
        )

    def read(self, photo: Path) -> tuple[Tensor, Tensor]:
        """Features (n, D) and corners (n, 4) as fractions of the photo.

        Raises:
            UserError: no file, or it does not hold what it should.
        """
        path = self._file(photo)
        held = _load(path)
        features = _first(held, _FEATURES)
        if features is None:
            raise UserError(
                f"{path} should hold features under one of {', '.join(_FEATURES)}, got {', '.join(held) or 'nothing'}"
            )
        if "x" in held and features.ndim == 2 and features.shape[0] == self.region_size != features.shape[1]:
            features = features.T
        if features.ndim not in (2, 3) or features.shape[-1] != self.region_size:
            raise UserError(
                f"{path} should hold features of {self.region_size} numbers, got shape {features.shape}; set encoder.region_size"
            )
        corners = self._corners(path, photo, held, features)
        features = torch.from_numpy(numpy.ascontiguousarray(features, dtype=numpy.float32)).flatten(0, -2)
        if len(corners) != len(features):
            raise UserError(f"{path} should hold as many boxes as features, got {len(corners)} and {len(features)}")
        if not len(features) or not features.isfinite().all():
            raise UserError(
                f"{path} should hold at least one region, of finite numbers; make it anew, or leave its photo out"
            )
        return features[: self.max_boxes], corners[: self.max_boxes]

    def _corners(self, path: Path, photo: Path, held: dict, features: numpy.ndarray) -> Tensor:
        if features.ndim == 3:
            return Grid(*features.shape[:2]).corners()
        boxes = _first(held, _BOXES)
        if boxes is None and self.boxes is not None and (self.boxes / f"{path.stem}.npy").is_file():
            boxes = _load(self.boxes / f"{path.stem}.npy")["features"]
        if boxes is None or boxes.ndim != 2 or boxes.shape[1] != 4:
            came = "none" if boxes is None else f"shape {boxes.shape}"
            raise UserError(f"{path} needs boxes (n, 4) under boxes or bbox, or in encoder.boxes, got {came}")
        width, height = _first(held, _WIDTHS), _first(held, _HEIGHTS)
        size = _size_of(photo) if width is None or height is None else (float(width), float(height))
        return torch.from_numpy(boxes.astype(numpy.float32)) / torch.tensor([*size, *size])

    def _file(self, photo: Path) -> Path:
        number = re.search(r"(\d+)$", photo.stem)
        names = [photo.stem, *([str(int(number.group(1)))] if number else [])]
        tried = [self.folder / f"{name}{suffix}" for name in names for suffix in (".npz", ".npy")]
        for path in tried:
            if path.is_file():
                return path
        raise UserError(
            f"no regions of {photo.name}: none of {', '.join(map(str, tried))} is there; check encoder.folder"
        )


class WholePhoto:
    """A view that is the photo itself, for regions that were found elsewhere."""

    crop = (1, 1)

    def __call__(self, photo: Image.Image) -> tuple[Tensor, Placement]:
        return torch.zeros(3, 1, 1, dtype=torch.uint8), Placement.whole(photo.size)


@dataclass
class RegionsOfFiles:
    """Regions of photos, read when they are asked for."""

    paths: list[Path]
    encoder: RegionFiles

    def __len__(self) -> int:
        return len(self.paths)

    def __call__(self, indices: Sequence[int], views: Sequence[int] | None = None) -> Regions:
        """Regions of some photos, as many as the photo with the most has; the others' are padded."""
        found = [self.encoder.read(self.paths[index]) for index in indices]
        return Regions.of_boxes([features for features, _ in found], [corners for _, corners in found])

    def unreadable(self, indices: Sequence[int]) -> dict[int, str]:
        """Why some of these photos have no regions."""
        reasons = {index: self._why_not(self.paths[index]) for index in indices}
        return {index: reason for index, reason in reasons.items() if reason is not None}

    def _why_not(self, photo: Path) -> str | None:
        try:
            self.encoder.read(photo)
        except UserError as error:
            return str(error)
        return None

    def without(self, gone: Collection[int]) -> RegionsOfFiles:
        return RegionsOfFiles([path for index, path in enumerate(self.paths) if index not in gone], self.encoder)

    def placement(self, index: int) -> Placement:
        return Placement.whole(_size_of(self.paths[index]))


def _load(path: Path) -> dict:
    """What a file holds by its names; an .npy holds `features`."""
    try:
        with path.open("rb") as file:
            found = numpy.load(file, allow_pickle=False)
            return {"features": found} if isinstance(found, numpy.ndarray) else dict(found)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read as regions ({error}); give .npz or .npy files without pickles"
        ) from error


def _size_of(photo: Path) -> tuple[int, int]:
    """Width and height of the upright photo, without reading its pixels."""
    try:
        with Image.open(photo) as file:
            width, height = file.size
            return (height, width) if file.getexif().get(_ORIENTATION, 1) >= 5 else (width, height)
    except OSError as error:
        raise UserError(
            f"{photo} cannot be read as a photo ({error}); its regions' file states no size either"
        ) from error


def _first(held: dict, names: Sequence[str]):
    """The first of these that is there."""
    return next((held[name] for name in names if name in held), None)
