"""A folder of photos without captions, as a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from captioner.data.contract import Example, Splits, data_folder
from captioner.errors import UserError
from captioner.progress import print_note

READ_TEXTS = "set data.kind=table, with data.captions=.txt if each photo has a text file beside it"
"""What to do with photos whose captions are in text files."""
ENDINGS = (
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".jp2",
        ".j2k",
    ),
    *(".jpx", ".jpf", ".avif", ".heic", ".heif", ".hif", ".mpo", ".tga", ".ico", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Endings of the names of photos, in lower case."""


def folder(root: str) -> Splits:
    """A folder of photos without references, which form the split test. They are in the order of their names; the id of a photo is its
    path below `root`.

    Args:
        root: folder of the photos.

    Raises:
        UserError: there is no such folder, or no photo in it.
    """
    base = data_folder(root)
    photos, others = photos_in(base)
    note_others(base, others)
    if not photos:
        raise UserError(
            f"{base.absolute()} holds no file that is named like a photo (.jpg, .png, ...); check data.root"
        )
    return {"test": [Example(photo.relative_to(base).as_posix(), photo, []) for photo in photos]}


def photos_in(base: Path) -> tuple[list[Path], list[Path]]:
    """What is below a folder: photos by their suffix, and everything else, such as hidden files, links to folders, and folders that
    cannot be opened. Both are in the order of their paths.
    """
    photos: list[Path] = []
    others: list[Path] = []
    closed: list[OSError] = []
    for name, folders, files in os.walk(base, onerror=closed.append):
        within = Path(name)
        others += [within / link for link in folders if (within / link).is_symlink()]
        hidden = any(part.startswith(".") for part in within.relative_to(base).parts)
        for file in files:
            is_photo = Path(file).suffix.lower() in ENDINGS and not hidden and not file.startswith(".")
            (photos if is_photo else others).append(within / file)
    return sorted(photos), sorted([*others, *(Path(error.filename) for error in closed)])


def note_others(base: Path, others: Sequence[Path]) -> None:
    """Say how many files are passed over, by their endings, if there are any."""
    if not others:
        return
    counts = Counter(_kind(path, base) for path in others)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common(5))
    more = f", and {len(counts) - 5} more kinds" if len(counts) > 5 else ""
    print_note(
        f"left out of {base}, since they are not named like photos: {len(others):,} files ({kinds}{more}); first {others[0]}"
    )


def _kind(path: Path, base: Path) -> str:
    if path.is_dir():
        return "link to a folder" if path.is_symlink() else "folder that cannot be opened"
    if any(part.startswith(".") for part in path.relative_to(base).parts):
        return "hidden"
    return path.suffix.lower() or "without ending"
