"""Packages that only some commands need, and that an extra of this package brings."""

from __future__ import annotations

import importlib
from typing import Any

from captioner.errors import UserError


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
