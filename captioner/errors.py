"""Errors that a user is shown in one line."""

from __future__ import annotations

import importlib
from typing import Any


class UserError(ValueError):
    """What was wanted, what came, and what to do, in one line.

    The command line prints it without a traceback and exits with status 2.
    """


class Unreachable(UserError):
    """A file that could not be opened this time: no permission, too many open files, a disk's error. Another time it may be read."""


class Interrupted(Exception):
    """Training was asked to stop, and has saved its state."""


def library(name: str, wanted_by: str, extra: str) -> Any:
    """The package of that name.

    Args:
        wanted_by: what needs it, as a message says it.
        extra: the extra that brings it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"{wanted_by} needs {name}, which is not installed; run pip install -e '.[{extra}]'") from error
