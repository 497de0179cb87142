"""Requests to stop: Ctrl-C, and the signals of schedulers and of a closed terminal."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from captioner import errors
from captioner.data.batches import STOP_SIGNALS
from captioner.progress import Report, silent

_SAME_SECONDS = 1.0  # torchrun sends a signal that its processes have received already once more


class StopRequest:
    """Whether a signal has asked to stop.

    Work that changes nothing that is saved ends at once, with Interrupted: see `at_once`. Elsewhere the signal sets `asked`, and the
    current step is finished and saved. One more signal, later than the first by a second, ends everything at once.
    """

    def __init__(self, report: Report = silent):
        self.asked, self.report = False, report
        self._at_once, self._asked_at = False, 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the signals are heard. One that was ignored, as nohup ignores SIGHUP, stays ignored."""
        always = (signal.SIGINT, signal.SIGTERM)
        heard = [name for name in STOP_SIGNALS if name in always or signal.getsignal(name) is not signal.SIG_IGN]
        try:
            previous = {name: signal.signal(name, self._ask) for name in heard}
        except ValueError:  # not the main thread, as in some notebooks
            previous = {}
        try:
            yield
        finally:
            for name, handler in previous.items():
                signal.signal(name, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def at_once(self, wanted: bool = True) -> Iterator[None]:
        """Inside, a request raises Interrupted immediately; with `wanted=False`, it only sets `asked`."""
        before, self._at_once = self._at_once, wanted
        try:
            if wanted:
                self.check()
            yield
        finally:
            self._at_once = before

    def check(self) -> None:
        """Raise Interrupted if a signal has asked to stop."""
        if self.asked:
            raise errors.Interrupted

    def _ask(self, *_) -> None:
        now = time.monotonic()
        if self.asked and now - self._asked_at > _SAME_SECONDS:
            raise KeyboardInterrupt
        if self.asked:
            return
        self.asked, self._asked_at = True, now
        if self._at_once:
            raise errors.Interrupted
        with suppress(OSError, RuntimeError):  # the terminal is gone, or was being written to
            self.report.stopping()


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """`Interrupted`, which is now in errors.py."""
        if name != "Interrupted":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from captioner.moved import earlier_name

        return earlier_name(__name__, name)
