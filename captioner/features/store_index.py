"""The index of a feature store: `photos.jsonl`, one line for each photo in each view, with its row or why it cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import PIL
from typing_extensions import NotRequired, TypedDict

from captioner.ranges import Count
from captioner.readers import parsing, read_json_lines

LINE_BYTES = 280  # of one line, about
_DIGEST = 32  # hexadecimal digits
Mark = tuple[str, int, int, int]
"""A photo in a view: absolute path, size in bytes, time of change in nanoseconds, view."""


class _Line(TypedDict):
    """A line of the index."""

    photo: str
    bytes: int
    changed: int
    view: int
    row: NotRequired[Count]
    crc32: NotRequired[int]  # of the row's bytes
    digest: NotRequired[str]  # of the photo's bytes
    unreadable: NotRequired[str]  # the reason, in place of a row
    pillow: NotRequired[str]  # the version that could not read it; another may know the format


def mark_of(photo: Path, view: int) -> Mark:
    """Identifies a photo in a view; it changes when the file does."""
    status = photo.stat()
    return str(photo.absolute()), status.st_size, status.st_mtime_ns, view


def content_digest(mark: Mark) -> str | None:
    """A digest of the photo's bytes, equal for copies. None if the photo has changed since it was marked."""
    photo = Path(mark[0])
    try:
        digest = hashlib.sha256(photo.read_bytes()).hexdigest()[:_DIGEST]
        return digest if mark_of(photo, mark[3]) == mark else None
    except OSError:
        return None


@dataclass
class StoreIndex:
    """The rows of photos, and the photos that cannot be read.

    Args:
        path: the file; it need not exist.
    """

    path: Path
    rows: dict[Mark, int] = field(default_factory=dict)
    unreadable: dict[Mark, str] = field(default_factory=dict)
    contents: dict[tuple[str, int], int] = field(default_factory=dict)  # rows by digest of the photo, and view
    checksums: dict[int, int] = field(default_factory=dict)  # by row; stores of earlier versions have none
    num_rows: int = 0  # rows in use, the first being 0

    def refresh(self) -> None:
        """Read the file again, without a last line that a killed program left incomplete.

        Raises:
            UserError: a line is damaged.
        """
        self.rows, self.unreadable, self.contents, self.checksums, self.num_rows = {}, {}, {}, {}, 0
        if not self.path.exists():
            return
        advice = f"delete {self.path.parent}, and its regions are computed again"
        lines = read_json_lines(self.path, advice, _Line, unfinished=True)
        with parsing(self.path, "the index of a feature store", advice):
            for line in lines:
                self._note(line)

    def _note(self, line: _Line) -> None:
        mark = (line["photo"], line["bytes"], line["changed"], line["view"])
        if "row" not in line:
            reason = line["unreadable"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
            if line.get("pillow") == PIL.__version__:
                self.unreadable[mark] = reason
            return
        self.rows[mark] = line["row"]
        self.num_rows = max(self.num_rows, line["row"] + 1)
        if "crc32" in line:
            self.checksums[line["row"]] = line["crc32"]
        if "digest" in line:
            self.contents[line["digest"], mark[3]] = line["row"]

    def missing(self, marks: Sequence[Mark]) -> list[int]:
        """Indices of marks that have no row and are not listed as unreadable."""
        return [index for index, mark in enumerate(marks) if mark not in self.rows and mark not in self.unreadable]

    def add(self, marks: Sequence[Mark], checksums: Sequence[int], unreadable: dict[Mark, str]) -> None:
        """Give marks the next rows, with the checksums of their bytes, and list unreadable ones; all are on the disk on return."""
        photos = {mark[0]: mark for mark in marks}
        digests = {path: digest for path, mark in photos.items() if (digest := content_digest(mark))}
        lines = []
        for row, (mark, checksum) in enumerate(zip(marks, checksums, strict=True), start=self.num_rows):
            content = {"digest": digests[mark[0]]} if mark[0] in digests else {}
            lines.append(_line(mark) | {"row": row, "crc32": checksum} | content)
        by = {"pillow": PIL.__version__}
        self._append(lines + [_line(mark) | {"unreadable": reason} | by for mark, reason in unreadable.items()])

    def recognise(self, marks: Sequence[Mark]) -> None:
        """Give photos that were stored under another name or time their rows again; on the disk on return."""
        digested = set(self.contents.values())
        sizes = {size for (_, size, _, _), row in self.rows.items() if row in digested}
        digests = {mark[0]: content_digest(mark) for mark in marks if mark[1] in sizes}
        stored = [mark for mark in marks if (digests.get(mark[0]), mark[3]) in self.contents]
        lines = []
        for mark in stored:
            digest = str(digests[mark[0]])
            row = self.contents[digest, mark[3]]
            checksum = {"crc32": self.checksums[row]} if row in self.checksums else {}
            lines.append(_line(mark) | {"digest": digest, "row": row} | checksum)
        if lines:
            self._append(lines)

    def _append(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(errors="backslashreplace")
        self.path.touch()
        with self.path.open("r+b") as file:
            file.truncate(self._end_of_lines())
            file.seek(0, os.SEEK_END)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for line in lines:
            self._note(cast(_Line, line))

    def _end_of_lines(self) -> int:
        """The end of the last complete line, in bytes."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - 2**16)  # no line is longer
            file.seek(start)
            return start + file.read().rfind(b"\n") + 1


def _line(mark: Mark) -> dict[str, Any]:
    return dict(zip(("photo", "bytes", "changed", "view"), mark, strict=True))
