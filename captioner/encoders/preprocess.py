"""From a photo to the pixels of a network's view, with the position of that view on the photo.

The same code preprocesses photos for training and for captioning.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from captioner.errors import Unreachable, UserError, library
from captioner.layers.allocation import free_memory
from captioner.readers import check_regular, reason
from captioner.regions import Placement

MOST_PIXELS = "CAPTIONER_MOST_PIXELS"
"""The environment variable that `--most-pixels` sets, for all processes that read photos."""
_MOST_PIXELS = 250_000_000  # phones take photos of 200 megapixels
_ORIENTATION = 0x0112  # of EXIF
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
_REGISTERING = threading.Lock()
_BYTES_A_PIXEL = 12  # at most, while a photo is decoded and converted
_MAX_ASPECT = 4  # of a photo that is resized whole before its centre is cut out
_WIDE = "its grey values are not 8 or 16 bits wide; convert it to an 8-bit picture first"
Photo = str | Path | Image.Image


def most_pixels() -> int:
    """The largest number of pixels of a photo that is read: that of `--most-pixels`, or else 250 million."""
    text = os.environ.get(MOST_PIXELS) or str(_MOST_PIXELS)
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"{MOST_PIXELS} should be a number of pixels, such as {_MOST_PIXELS}, got {text!r}")
    return int(text)


def open_photo(photo: Photo, formats: tuple[str, ...] | None = None, max_pixels: int | None = None) -> Image.Image:
    """The photo as 8-bit RGB, turned upright by its EXIF rotation.

    Args:
        photo: a file, or a picture of Pillow.
        formats: Pillow's names of the formats to read; all by default, and HEIC if pillow-heif is installed.
        max_pixels: maximum number of pixels of a file; by default `most_pixels`.

    Raises:
        UserError: the file is missing, is not a complete picture, or is too large.
    """
    if isinstance(photo, Image.Image):
        try:
            return as_rgb(photo)
        except Exception as error:  # decoders raise many kinds
            raise UserError(f"the picture cannot be read as a photo ({reason(error)}); give another") from error
    if not isinstance(photo, (str, Path)):
        raise TypeError(f"a photo is a path or a picture of Pillow, got {type(photo).__name__}; give one of these")
    with _opened(photo, formats, max_pixels) as file:
        return as_rgb(file)


def photo_size(path: str | Path) -> tuple[int, int]:
    """Width and height of the upright photo, without reading its pixels; errors as those of `open_photo`."""
    with _opened(path) as file:
        upright = _ORIENTATION in getattr(file, "tag_v2", {})  # of a TIFF; Pillow has turned its size
        turned = not upright and file.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
        return (file.height, file.width) if turned else file.size


@contextmanager
def _opened(
    path: str | Path, formats: tuple[str, ...] | None = None, max_pixels: int | None = None
) -> Iterator[Image.Image]:
    """The file of a photo. Whatever goes wrong while it is read becomes a UserError."""
    limit = most_pixels() if max_pixels is None else max_pixels
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels is None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, limit)  # Pillow raises at twice its limit
    pixels = 0
    try:
        check_regular(Path(path), "give a photo")
        with _identified(path, formats) as file:
            if file.format == "EPS":  # Pillow would run it in Ghostscript
                raise UserError(f"{path} is PostScript, a program, which is not run; convert it to JPEG or PNG first")
            if file.width * file.height > limit:
                size = f"{file.width:,} x {file.height:,}"
                raise Unreachable(f"{path} is too large: {size}, {_allowed(limit, max_pixels is None)}")
            pixels = file.width * file.height
            yield file
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"no photo at {path}; check the path") from error
    except UnidentifiedImageError as error:
        why = "it may be cut off or damaged, or be something else" if Path(path).stat().st_size else "it is empty"
        wanted = "a JPEG, PNG, or another photo format" if formats is None else f"one of {', '.join(formats)}"
        raise UserError(f"{path} is not a picture that can be read ({why}); give {wanted}") from error
    except Image.DecompressionBombError as error:
        raise Unreachable(f"{path} is too large: {_allowed(limit, max_pixels is None)}") from error
    except MemoryError as error:
        if _BYTES_A_PIXEL * pixels > free_memory():
            raise Unreachable(f"{path} does not fit into memory: it has {pixels:,} pixels; make it smaller") from error
        raise UserError(
            f"{path} cannot be read as a photo (it states that parts of it are larger than memory); it is damaged"
        ) from error
    except Exception as error:  # decoders raise many kinds, RuntimeError among them
        if isinstance(error, OSError) and error.errno is not None:  # an error of the system, not of the decoder
            raise Unreachable(f"{path} cannot be opened ({error.strerror}); check it and try again") from error
        advice = "" if str(error) == _WIDE else "; it may be cut off or damaged"
        raise UserError(f"{path} cannot be read as a photo ({reason(error)}){advice}") from error


def _identified(path: str | Path, formats: tuple[str, ...] | None) -> Image.Image:
    """The opened file. pillow-heif is imported at the first HEIC photo.

    Pillow imports formats when they are first needed. A photo that another thread's import comes between is opened again.
    """
    try:
        return Image.open(path, formats=formats)
    except (UnidentifiedImageError, KeyError):  # KeyError: a format is half registered
        if formats is not None:
            raise
    with _REGISTERING:
        if "HEIF" not in Image.OPEN and _is_heic(path):
            try:
                library("pillow_heif", f"{path} is a HEIC photo, which", "heic").register_heif_opener()
            except UserError as error:
                raise Unreachable(f"{error}, or convert the photo to JPEG first") from error
        Image.init()
    return Image.open(path)


def _is_heic(path: str | Path) -> bool:
    with Path(path).open("rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:] in _HEIC_BRANDS


def _allowed(limit: int, is_users: bool) -> str:
    other = ", or allow more with --most-pixels" if is_users else ""
    return f"at most {limit:,} pixels are read; make it smaller{other}"


def as_rgb(photo: Image.Image) -> Image.Image:
    """8-bit RGB, upright. 16-bit grey is scaled, and transparent photos are put on white. 32-bit grey of a TIFF file below 256 is taken
    as 8-bit grey. Grey of fractions, or of more than 16 bits, whose white is unknown, is a ValueError.
    """
    return in_colour(_upright(photo), photo.format == "TIFF")


def in_colour(photo: Image.Image, is_tiff: bool = False) -> Image.Image:
    """8-bit RGB as of `as_rgb`, without turning the photo; errors as its."""
    if photo.mode.startswith(("I", "F")):
        photo = _as_8_bit_grey(photo, is_tiff)
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _as_8_bit_grey(photo: Image.Image, is_tiff: bool) -> Image.Image:
    """Grey that is wider than 8 bits, as grey of 8 bits. Mode "I" has 32 bits in TIFF files, and 16 in other formats."""
    values = numpy.asarray(photo)
    if photo.mode == "F" or values.min() < 0 or values.max() >= 2**16:
        raise ValueError(_WIDE)
    is_8_bit = is_tiff and photo.mode == "I" and values.max() < 2**8
    return Image.fromarray((values if is_8_bit else values >> 8).astype(numpy.uint8))


def _upright(photo: Image.Image) -> Image.Image:
    """The photo turned by its EXIF rotation; as it is if its EXIF data are damaged, which say nothing about its pixels."""
    photo.load()
    try:
        return ImageOps.exif_transpose(photo)
    except Exception:  # Pillow's parser of EXIF raises many kinds
        return photo


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
        placement, middle = self.placement(photo.size), self._middle(photo.size)
        if middle.view_size != photo.size:
            left, top = map(int, middle.offset)
            photo = photo.crop((left, top, left + middle.view_size[0], top + middle.view_size[1]))
        size = self._resized(photo.size)
        if size != photo.size:
            photo = photo.resize(size, Image.Resampling[self.interpolation.upper()])
        left, top = self._margins(size)
        if (left, top) != (0, 0) or size != self.crop:
            view = Image.new("RGB", self.crop, tuple(round(255 * value) for value in self.mean))
            view.paste(photo, (-left, -top))
            photo = view
        return torch.from_numpy(numpy.array(photo)).movedim(2, 0), placement

    def placement(self, photo_size: tuple[int, int]) -> Placement:
        """The position of the view on a photo of (width, height)."""
        middle = self._middle(photo_size)
        size = self._resized(middle.view_size)
        return middle.resized(size).cropped(*self._margins(size), self.crop)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, h, w), 0 to 255, normalised as in the network's training."""
        pixels = pixels.float() / 255
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std

    def _middle(self, photo_size: tuple[int, int]) -> Placement:
        """The middle of a very long photo, if only that will be visible; else the whole photo."""
        whole = Placement.whole(photo_size)
        if isinstance(self.resize, tuple) or self.resize == "inside":
            return whole
        longest = _MAX_ASPECT * min(photo_size) * -(-max(self.crop) // min(self.crop))
        left, top = (max(0, (side - longest) // 2) for side in photo_size)
        return whole.cropped(left, top, (photo_size[0] - 2 * left, photo_size[1] - 2 * top))

    def _margins(self, size: tuple[int, int]) -> tuple[int, int]:
        """How far the view begins inside the resized photo, from the left and from the top; negative where it is padded."""
        return round((size[0] - self.crop[0]) / 2), round((size[1] - self.crop[1]) / 2)

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
