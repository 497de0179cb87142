"""From a photo to the pixels of a network's view, with the position of that view on the photo.

The same code preprocesses photos for training and for captioning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from captioner.errors import Unreachable, UserError
from captioner.regions import Placement

_MAX_ASPECT = 4  # of a photo that is resized whole before its centre is cut out


def open_photo(path: str | Path, formats: tuple[str, ...] | None = None, max_pixels: int | None = None) -> Image.Image:
    """The photo as 8-bit RGB, turned upright by its EXIF rotation.

    Args:
        formats: Pillow's names of the formats to read; all by default.
        max_pixels: maximum number of pixels; by default, Pillow's limit for a warning.

    Raises:
        UserError: the file is missing, is not a complete picture, or is too large.
    """
    limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
    try:
        with Image.open(path, formats=formats) as file:
            _check_size(path, file.size, limit)
            return as_rgb(file)
    except FileNotFoundError as error:
        raise UserError(f"no photo at {path}; check the path") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that can be read; give {_listed(formats)}") from error
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{path} is too large to be a photo: at most {limit:,} pixels are read; make it smaller first"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # an error of the system, not of the decoder
            raise Unreachable(f"{path} cannot be opened ({error.strerror}); check it and try again") from error
        raise UserError(f"{path} cannot be read as a photo ({error}); it may be cut off or damaged") from error


def _listed(formats: tuple[str, ...] | None) -> str:
    return "a JPEG, PNG, or another photo format" if formats is None else f"one of {', '.join(formats)}"


def _check_size(path: str | Path, size: tuple[int, int], limit: int | None) -> None:
    """Refuse photos at the size at which Pillow only warns; it raises at twice that size."""
    if limit is not None and size[0] * size[1] > limit:
        raise UserError(
            f"{path} is too large to be a photo: {size[0]:,} x {size[1]:,} pixels, at most {limit:,} are read; "
            "make it smaller first"
        )


def as_rgb(photo: Image.Image) -> Image.Image:
    """8-bit RGB, upright. 16-bit grey is scaled, and transparent photos are put on white.

    Raises:
        ValueError: grey values are fractions or exceed 16 bits, so that the value of white is unknown.
    """
    photo = ImageOps.exif_transpose(photo)
    if photo.mode == "F" or (photo.mode == "I" and not 0 <= photo.getextrema()[0] <= photo.getextrema()[1] < 2**16):  # pyright: ignore
        raise ValueError("its grey values are not 8 or 16 bits wide; convert it to an 8-bit picture first")
    if photo.mode.startswith("I"):
        photo = Image.fromarray((numpy.asarray(photo) >> 8).astype(numpy.uint8))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
    return photo.convert("RGB")


@dataclass(frozen=True)
class Preprocess:
    """Resize, then crop or pad around the centre, then (inside the encoder) scale to 0..1 and normalise.

    `resize` is the new shorter side (the aspect is kept), or (width, height) exactly; or "cover", the smallest size that covers the view;
    or "inside", the largest that fits into it (a letterbox, whose bars have the colour that normalises to 0). `crop` is the view's
    (width, height) in pixels. The invisible ends of a very long photo are cut off before resizing, which would otherwise make it huge.
    """

    resize: int | tuple[int, int] | Literal["cover", "inside"]
    crop: tuple[int, int]
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    interpolation: str = "bilinear"

    def __call__(self, photo: Image.Image) -> tuple[Tensor, Placement]:
        """The network's view (3, h, w) as uint8, and its position on the photo."""
        photo, placement = self._without_far_ends(photo)
        size = self._resized(photo.size)
        placement = placement.resized(size)
        if size != photo.size:
            interpolation = InterpolationMode(self.interpolation)
            resized = functional.resize(photo, [size[1], size[0]], interpolation, antialias=True)  # pyright: ignore[reportArgumentType]
            photo = cast(Image.Image, resized)
        left, top = (round((size[axis] - self.crop[axis]) / 2) for axis in (0, 1))
        if (left, top) != (0, 0) or size != self.crop:
            view = Image.new("RGB", self.crop, tuple(round(255 * value) for value in self.mean))
            view.paste(photo, (-left, -top))
            photo = view
            placement = placement.cropped(left, top, self.crop)
        return functional.pil_to_tensor(photo), placement

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, h, w), 0 to 255, normalised as in the network's training."""
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=pixels.device)[:, None, None]
            for values in (self.mean, self.std)
        )
        return (pixels.float() / 255 - mean) / std

    def _without_far_ends(self, photo: Image.Image) -> tuple[Image.Image, Placement]:
        """The middle of the photo if only that will be visible."""
        placement = Placement.whole(photo.size)
        if isinstance(self.resize, tuple) or self.resize == "inside":
            return photo, placement
        longest = _MAX_ASPECT * min(photo.size) * -(-max(self.crop) // min(self.crop))
        left, top = (max(0, (side - longest) // 2) for side in photo.size)
        if (left, top) == (0, 0):
            return photo, placement
        size = (photo.width - 2 * left, photo.height - 2 * top)
        return photo.crop((left, top, left + size[0], top + size[1])), placement.cropped(left, top, size)

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        width, height = size
        if isinstance(self.resize, tuple):
            return self.resize
        if isinstance(self.resize, str):
            scales = (self.crop[0] / width, self.crop[1] / height)
            scale = max(scales) if self.resize == "cover" else min(scales)
            return max(1, round(width * scale)), max(1, round(height * scale))
        if width <= height:
            return self.resize, int(self.resize * height / width)
        return int(self.resize * width / height), self.resize
