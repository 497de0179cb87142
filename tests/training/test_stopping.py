"""Signals that ask to stop."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest

from captioner.data.batches import STOP_SIGNALS
from captioner.errors import Interrupted
from captioner.progress import Report
from captioner.training import stopping
from captioner.training.loop import Trainer
from captioner.training.plan import Plan
from captioner.training.stopping import StopRequest


@pytest.fixture(autouse=True)
def started_without_nohup():
    """Signals that this process was started to ignore would stay ignored."""
    before = {
        name: signal.signal(name, signal.SIG_DFL) for name in STOP_SIGNALS if signal.getsignal(name) is signal.SIG_IGN
    }
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.parametrize("name", STOP_SIGNALS, ids=lambda name: name.name)
def test_every_signal_of_a_scheduler_is_heard_and_then_has_its_earlier_meaning(name):
    before, stop = signal.getsignal(name), StopRequest()
    with stop.listening():
        os.kill(os.getpid(), name)
    assert stop.asked
    assert signal.getsignal(name) == before


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1"])
def test_a_signal_that_nohup_ignores_stays_ignored(name):
    number, stop = getattr(signal, name), StopRequest()
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop.listening():
            os.kill(os.getpid(), number)
        assert not stop.asked
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_work_that_changes_nothing_ends_at_once_and_a_step_is_finished():
    stop, steps = StopRequest(), 0
    with stop.listening(), stop.at_once():
        with stop.at_once(False):
            os.kill(os.getpid(), signal.SIGTERM)
            steps += 1
        with pytest.raises(Interrupted), stop.at_once():
            steps += 1
    assert steps == 1
    stop = StopRequest()
    with stop.listening(), stop.at_once(), pytest.raises(Interrupted):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        steps += 1
    assert steps == 1


def test_the_same_signal_twice_is_one_request_and_a_later_one_ends_everything(monkeypatch):
    stop = StopRequest()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # as torchrun does
        monkeypatch.setattr(stopping, "_SAME_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_closed_terminal_does_not_keep_a_run_from_being_saved():
    class Closed(Report):
        def stopping(self):
            raise OSError(5, "Input/output error")

    stop = StopRequest(Closed())
    with stop.listening():
        os.kill(os.getpid(), signal.SIGHUP)
    assert stop.asked


def test_a_signal_that_comes_while_processes_agree_is_kept_for_the_next_step():
    stop, saved = StopRequest(), []

    def any_of(flag: bool) -> bool:
        stop.asked = True  # the signal comes after this process has said its part
        return flag

    trainer = SimpleNamespace(
        stop=stop,
        processes=SimpleNamespace(count=2, any=any_of),
        plan=Plan(save_minutes=60),
        saved_at=time.monotonic(),
        _check_numbers=lambda: None,
        _save=lambda: saved.append(True),
    )
    Trainer._save_if_due(trainer)
    assert not saved
    with pytest.raises(Interrupted):
        Trainer._save_if_due(trainer)
    assert saved
