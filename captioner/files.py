"""Atomic writes of files, and the version of the package."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "0.1.0"
"""Version of this package, stored with scores."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, then flush the file and rename it to `path`.

    After a crash there is the old file or the new one, never a part of it. The folder is created if it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        beside.touch()
        mode = (
            beside.stat().st_mode
        )  # as the user's umask has it; some writers create files that only the user can read
        yield beside
        beside.chmod(mode)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write text with `replacing`. Line breaks are not translated on any system.

    Bytes of a file name that are not text are written as escapes, such as `\\udce9`, which JSON reads as the same name.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def remove_unfinished(folder: Path) -> None:
    """Delete the temporary files that a killed program left."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
