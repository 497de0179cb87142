"""Atomic writes of files, what killed programs leave of them, and the version of the package."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

VERSION = "0.1.0"
"""Version of this package, stored with scores."""
UNFINISHED = "unfinished.txt"
"""Lies beside files that belong together until all of them are written."""
_OURS = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_UNDECODED = re.compile(r"[\udc80-\udcff]+")
"""Bytes of a file name that the system's encoding lacks, such as all above 127 in a C locale."""
_MAX_NAME = 200  # bytes of a file's name that its temporary folder repeats; file systems allow 255 in all
_OLD = 24 * 3600  # seconds after which a temporary file is abandoned, where files cannot be locked
_next_look: dict[Path, float] = {}  # by folder: when to look again for what killed programs left


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, then flush the file and rename it to `path`.

    After a crash there is the old file or the new one, never a part of it. The temporary file is in a folder of its own beside
    `path`, since some writers put more files beside theirs. That folder is locked, so that a later write can remove what a killed
    program left without touching what another program is writing. The folder of `path` is created if it does not exist. A symbolic
    link stays, and the file that it leads to is replaced.
    """
    check_replaceable(path)
    if path.is_symlink():
        path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_beside(path)
    folder, lock = _own_folder(path)
    beside = folder / path.name
    try:
        beside.touch()
        # The mode that the user's umask gives; some writers create files that only the user can read.
        mode = beside.stat().st_mode
        yield beside
        beside.chmod(mode)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(beside)):
            error.filename = str(path)  # a full disk names no file
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def check_replaceable(path: Path) -> None:
    """Refuse a folder, pipe or device as the name of a file to write, which renaming would replace.

    Raises:
        OSError: it is one.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def write_text_atomically(path: Path, text: str) -> None:
    """Write text with `replacing`. Line breaks are not translated on any system.

    A file name is written as it is in UTF-8, whatever the encoding of the system. Bytes of it that are not UTF-8 are written as
    escapes, such as `\\udce9`, which JSON reads as the same name.
    """
    text = _UNDECODED.sub(
        lambda match: match[0].encode("ascii", "surrogateescape").decode(errors="surrogateescape"), text
    )
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


@contextmanager
def written_together(folder: Path, replaced: Iterable[str] = ()) -> Iterator[None]:
    """Mark a folder as unfinished while files that belong together are written. An error or a kill leaves the mark.

    Args:
        replaced: files of an earlier command that are deleted first, since they do not belong to the new ones.
    """
    mark = folder / UNFINISHED
    text = (
        f"A command ended before it had written every file of this folder. Run it again.\nMark {secrets.token_hex(8)}\n"
    )
    write_text_atomically(mark, text)
    for name in replaced:
        (folder / name).unlink(missing_ok=True)
    yield
    with suppress(FileNotFoundError):
        if mark.read_text(encoding="utf-8") == text:  # else another command has put its own there, and is still writing
            mark.unlink()


def unfinished(folder: Path) -> str:
    """A sentence if the last command that wrote files into a folder ended too early; else nothing."""
    if not (folder / UNFINISHED).exists():
        return ""
    return f"{folder} holds an unfinished evaluation: the last one ended before all files were written; run it again"


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(folder for folder in [path.absolute(), *path.absolute().parents] if folder.exists())


def try_writing(folder: Path) -> None:
    """Write and delete a file in the folder, or in the nearest one above it that exists.

    Raises:
        OSError: nothing can be written there. It does not name the file, which has a random name.
    """
    try:
        with TemporaryFile(dir=existing(folder)):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror) from error


def remove_unfinished(folder: Path) -> None:
    """Delete the temporary files that killed programs left in a folder that only this program writes into."""
    for left in [*folder.glob(".*.tmp"), *folder.glob(".tmp??????")]:  # the second is what safetensors names its own
        _remove_unless_locked(left)


def _remove_left_beside(path: Path) -> None:
    """Delete what killed programs left in the folder of `path`, which may hold files of other programs too.

    Looking costs at most a twentieth of the time, however many files there are.
    """
    started = time.monotonic()
    if started < _next_look.get(path.parent, 0.0):
        return
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            same_file = entry.name.startswith(f".{path.name}.") and entry.name.endswith(".tmp")
            if same_file or (_OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)):
                _remove_unless_locked(Path(entry.path))
    now = time.monotonic()
    for folder in [folder for folder, again in _next_look.items() if again < now]:
        del _next_look[folder]
    _next_look[path.parent] = now + 20 * (now - started)


def _own_folder(path: Path) -> tuple[Path, int | None]:
    """A new, locked folder beside `path`, and its lock; None where folders cannot be locked."""
    name = os.fsdecode(os.fsencode(path.name)[:_MAX_NAME])
    while True:
        folder = path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
        folder.mkdir()
        if fcntl is None:
            return folder, None
        with suppress(FileNotFoundError, BlockingIOError):  # removed by another program before it was locked
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                raise
            except OSError:  # a file system without locks
                return folder, lock
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_unless_locked(left: Path) -> None:
    """Delete a temporary file or folder whose program has ended."""
    with suppress(OSError):
        if fcntl is None:
            abandoned, lock = False, None
        else:
            lock = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            abandoned = _is_free(lock)
        try:
            if abandoned or time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        finally:
            if lock is not None:
                os.close(lock)


def _is_free(lock: int) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def with_home(value: Any) -> Any:
    """Settings with the user's home folder in place of `~/`, which a shell leaves as it is after `=`."""
    if isinstance(value, dict):
        return {key: with_home(own) for key, own in value.items()}
    if isinstance(value, list):
        return [with_home(own) for own in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value
