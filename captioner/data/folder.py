"""A folder of photos without captions, as a data set."""

from __future__ import annotations

from pathlib import Path

from captioner.data.contract import Example, Splits, data_folder
from captioner.errors import UserError

_ENDINGS = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".jp2",
    ".avif",
    ".ppm",
    ".pgm",
}


def folder(root: str) -> Splits:
    """A folder of photos without references, which form the split test. They are in the order of their names; the id of a photo is its
    path below `root`.

    Args:
        root: folder of the photos.

    Raises:
        UserError: there is no such folder, or no photo in it.
    """
    base = data_folder(root)
    photos = photos_in(base)
    if not photos:
        raise UserError(
            f"{base.absolute()} holds no file that is named like a photo (.jpg, .png, ...); check data.root"
        )
    return {"test": [Example(photo.relative_to(base).as_posix(), photo, []) for photo in photos]}


def photos_in(base: Path) -> list[Path]:
    """Photos below a folder by their suffix, without hidden files, in the order of their paths."""
    return sorted(
        path
        for path in base.rglob("*")
        if path.suffix.lower() in _ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(base).parts)
    )
