"""Being asked to stop: Ctrl-C, and the SIGTERM of a scheduler."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Training was asked to stop, and has saved where it was."""


@contextmanager
def stop_signals(handler: Callable) -> Iterator[None]:
    """Both signals call the handler, which lets the step end."""
    try:
        old = {name: signal.signal(name, handler) for name in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, as in some notebooks
        old = {}
    try:
        yield
    finally:
        for name, before in old.items():
            signal.signal(name, before)
