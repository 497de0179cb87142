"""Smaller copies of photos, for data sets that are larger than the disk."""

from __future__ import annotations

import io
from contextlib import suppress

from PIL import Image, ImageOps

_FORMATS = ("JPEG", "PNG", "WEBP")


def shrunk(photo: bytes, shorter_edge: int) -> bytes:
    """The photo, upright, with its shorter edge reduced to so many pixels, in its own format.

    A photo is left unchanged if it is small enough, or if its copy would take as many bytes. So are photos that are neither RGB nor grey,
    photos of other formats, and damaged ones, which the checks of the data report later.
    """
    with suppress(Exception), Image.open(io.BytesIO(photo), formats=_FORMATS) as file:
        scale = shorter_edge / min(file.size)
        if scale < 1 and file.mode in ("RGB", "L"):
            kind, width, height = file.format, *(max(1, round(scale * edge)) for edge in file.size)
            file.draft(None, (2 * width, 2 * height))
            copy = ImageOps.exif_transpose(file.resize((width, height), Image.Resampling.LANCZOS))
            written = io.BytesIO()
            copy.save(written, kind, quality=90)
            return min(written.getvalue(), photo, key=len)
    return photo
