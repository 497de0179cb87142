"""Files that are either whole or not there, and the version that wrote them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "0.1.0"
"""Of this package; saved scores name it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; then flushes it to the disk and renames it.

    A reader, or a crash, meets the old file or the new one, never a half. The folder is made where it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        beside.touch()
        mode = (
            beside.stat().st_mode
        )  # what the user's umask gives; some writers make files of their own that only the user may read
        yield beside
        beside.chmod(mode)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """`replacing`, for text. Line breaks stay as they are, on every system."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed program left beside its files."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
