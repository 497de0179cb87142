"""Errors that the command line prints in one line."""

from __future__ import annotations

import importlib
from typing import Any


class UserError(ValueError):
    """An error whose message says what was expected, what was given and what to do, in one line.

    The command line prints it without a traceback and exits with status 2.
    """


class Unreachable(UserError):
    """A file that could not be opened for a reason that may pass: no permission, too many open files, a disk error."""


class Interrupted(Exception):
    """Training was asked to stop, and has saved its state."""


def library(name: str, wanted_by: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        name: the package.
        wanted_by: what needs it, for the error message.
        extra: the extra that installs it.

    Raises:
        UserError: the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"{wanted_by} needs {name}, which is not installed; run pip install -e '.[{extra}]'") from error
