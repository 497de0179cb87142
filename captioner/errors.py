"""Errors that the command line prints in one line, and the terminal, on which text of any origin can be printed."""

from __future__ import annotations

import errno
import importlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

LONGEST_MESSAGE = 800  # characters; what a message quotes may be a whole file
LINE_SECONDS = 30.0
"""Between lines of progress in the log of a scheduler, of nohup or of CI, which have no bar."""
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
"""Control characters except the line break, line separators, reversals of the direction of reading, byte order marks, and bytes that are
no text."""
_SYSTEM = {
    errno.EACCES: "no permission; give a file or folder that you may use",
    errno.EDQUOT: "your quota of disk space is used up; free some space",
    errno.EEXIST: "something else has this name; move it away, or give another name",
    errno.EFBIG: "the file would be larger than is allowed here; raise the limit with ulimit -f, or write to another disk",
    errno.EIO: "the disk reports an error; check it, or use another",
    errno.EISDIR: "it is a folder; give the name of a file, or move it away",
    errno.ELOOP: "its symbolic links lead in a circle; correct them",
    errno.EMFILE: "too many files are open; raise the limit with ulimit -n",
    errno.ENAMETOOLONG: "the name is too long for this file system; give a shorter one",
    errno.ENOENT: "there is no such file or folder; check the name",
    errno.ENOLCK: "this file system has no locks; use a folder on another, such as a local disk",
    errno.ENOSPC: "the disk is full; free some space",
    errno.ENOTDIR: "a part of this path is a file and no folder; check the path",
    errno.EPERM: "this is not permitted; give a file or folder that you may use",
    errno.EROFS: "the file system is read-only; give a folder that can be written to",
}


class UserError(ValueError):
    """An error whose message says what was expected, what was given and what to do, in one line.

    The command line prints it without a traceback and exits with status 2. The middle of a very long message is left out, since
    that is where messages quote what was given.
    """

    def __init__(self, message: object = ""):
        super().__init__(shortened(str(message)))


class Unreachable(UserError):
    """A file that could not be opened for a reason that is not in the file and may pass: no permission, a disk error, a limit, a package
    that is not installed.
    """


class Interrupted(BaseException):
    """Training was asked to stop, and has saved its state. Like KeyboardInterrupt, it is no error that a file or a library has."""


def either(names: Iterable[str]) -> str:
    """The names as alternatives: "a, b or c"."""
    return " or ".join(", ".join(names).rsplit(", ", 1))


def shortened(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The text, or its two ends with the number of characters that are left out between them."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} more characters ...] {text[-half:]}"


def visible(text: str, also: str = "") -> str:
    """The text with control characters, and those in `also`, as escapes such as `\\x1b`."""
    for character in also:
        text = text.replace(character, _escape(character))
    return _UNSEEN.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def system_error(error: OSError) -> str:
    """What the system refused, in a sentence: the file, and what to do."""
    if error.errno is None or error.strerror is None:
        return str(error)
    why = _SYSTEM.get(error.errno, error.strerror)
    return why if error.filename is None else f"{error.filename}: {why}"


@contextmanager
def system_errors() -> Iterator[None]:
    """Turn what the system refuses, such as a name that is too long, into a UserError; also a decorator."""
    try:
        yield
    except OSError as error:
        raise UserError(system_error(error)) from error


def too_large(error: Exception) -> bool:
    """Whether the error says that a tensor does not fit into memory, in the words of Python, PyTorch or CUDA."""
    return isinstance(error, MemoryError) or bool(
        re.search(r"overflow|\bmemory\b|bad_alloc", str(error), re.IGNORECASE)
    )


def library(name: str, wanted_by: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        name: the package.
        wanted_by: what needs it, for the error message.
        extra: the extra that installs it.

    Raises:
        UserError: the package is not installed, or cannot be imported, such as beside another version of numpy.
    """
    try:
        module = importlib.import_module(name)
        if getattr(module, "__file__", "") is None:  # a folder without code, such as uninstalling leaves
            raise ModuleNotFoundError(name=name)
        return module
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise UserError(f"{wanted_by} needs {name}, which is not installed; run {install(extra)}") from error
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise UserError(
            f"{wanted_by} needs {name}, which is installed but cannot be imported ({why}); run pip install --upgrade {name}, "
            "or install the version that the reason names"
        ) from error


def install(extra: str) -> str:
    """The command that installs an extra: in a clone, or of an installed package."""
    clone = (Path(__file__).parents[1] / "pyproject.toml").is_file()
    return f"pip install -e '.[{extra}]'" if clone else f"pip install 'captioner[{extra}]'"


class Terminal(Console):
    """A stream on which any text can be printed: it appears as it is, and control characters as escapes, such as `\\x1b`.

    File names, captions, categories and names of tensors are other people's. Here they can neither style the output, nor
    clear the screen. Styles are given as `rich.text.Text`. A text is one line.

    When the reader of a pipe goes away, as in `| head -1`, the program ends, unless `writes_files`, which is of all streams.
    """

    writes_files = False

    def __init__(self, stderr: bool = False):
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self.next_line = time.monotonic() + LINE_SECONDS

    @property
    def draws(self) -> bool:
        """Whether a bar can be drawn, as on a terminal and in Jupyter."""
        return self.is_terminal or self.is_jupyter

    def on_broken_pipe(self) -> None:
        if not Terminal.writes_files:
            super().on_broken_pipe()
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())  # where the stream's buffer is flushed at the end

    def print_seldom(self, text: str) -> None:
        """Print a line of progress where no bar can be drawn, unless one was printed in the last 30 seconds."""
        if not self.draws and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + LINE_SECONDS
            self.print(text, soft_wrap=True)

    def print(self, *objects: Any, **options: Any) -> None:
        if not self.draws and all(isinstance(part, str | Text) for part in objects):
            options.setdefault("soft_wrap", True)  # the lines of a log are not cut
        super().print(*(visible(part, "\n") if isinstance(part, str) else part for part in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)  # before the columns of a table are as wide as their texts

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))
