"""Requests to stop: Ctrl-C, and the SIGTERM of a scheduler."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from captioner.progress import Report, silent


class StopRequest:
    """Whether a signal has asked to stop. The first lets the current step end; the second stops at once."""

    def __init__(self, report: Report = silent):
        self.asked, self.report = False, report

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, both signals set `asked`."""
        try:
            previous = {name: signal.signal(name, self._ask) for name in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread, as in some notebooks
            previous = {}
        try:
            yield
        finally:
            for name, handler in previous.items():
                signal.signal(name, handler)

    def _ask(self, *_) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.report.stopping()


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """`Interrupted`, which is now in errors.py."""
        if name != "Interrupted":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from captioner.moved import earlier_name

        return earlier_name(__name__, name)
