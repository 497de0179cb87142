"""Every event of long work has one typed method, which the terminal shows and the silent report ignores."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from captioner.progress import Report, TerminalReport, console, errors, silent

EVENTS = {name: method for name, method in vars(Report).items() if not name.startswith("_")}
VALUES = {
    "folder": Path("runs/a"), "listed_in": Path("runs/a/unreadable_val.txt"), "photos": [Path("a.png")],
    "reasons": ["cut off"], "term": ("loss", 1.5), "device": "cpu", "split": "val", "what": "photos", "name": "soft",
    "text": "no [map] moves", "monitor": "CIDEr-D", "score": 0.5, "better": True, "distinct_captions": 0.5,
    "map_change": 0.25,
}  # fmt: skip


def call(report, name):
    arguments = inspect.signature(EVENTS[name]).parameters
    getattr(report, name)(**{argument: VALUES.get(argument, 2) for argument in arguments if argument != "self"})


def test_there_are_events():
    assert len(EVENTS) > 10


@pytest.mark.parametrize("name", EVENTS)
def test_the_terminal_shows_every_event_and_silence_none(name, capsys):
    call(silent, name)
    assert capsys.readouterr() == ("", "")
    assert name in vars(TerminalReport)
    assert inspect.signature(EVENTS[name]) == inspect.signature(vars(TerminalReport)[name])
    report = TerminalReport()
    with console.capture() as out, errors.capture() as err:
        call(report, name)
    assert out.get() or err.get() or report.tasks


@pytest.mark.parametrize("name", EVENTS)
def test_in_a_log_an_event_is_one_line_however_long(name, capsys, monkeypatch):
    for terminal in (console, errors):
        monkeypatch.setattr(terminal, "width", 20)
    call(TerminalReport(), name)
    printed = "".join(capsys.readouterr())
    assert printed.count("\n") == bool(printed)


def test_an_alarm_is_printed_as_it_is_written():
    with errors.capture() as err:
        TerminalReport().alarm("no [map] moves")
    assert err.get() == "alarm: no [map] moves\n"


def test_a_resumed_run_that_has_logged_no_loss_yet_shows_none():
    report = TerminalReport()
    report.step(7, 0, 6, 10, 8)
    (task,) = report.bar.tasks
    assert "nan" not in task.fields["note"]


def test_the_first_step_of_a_stretch_is_left_out_of_the_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("captioner.progress.time.monotonic", lambda: now[0])
    report, notes = TerminalReport(), []
    for step, seconds in enumerate((100, 2, 2)):  # the first waits for the data, the others take 2 s
        now[0] += seconds
        report.step(step, 0, step, 10, 8)
        notes.append(report.bar.tasks[0].fields["note"])
    assert notes == ["", "4 photos/s", "4 photos/s"]


def test_one_bar_at_a_time():
    report = TerminalReport()
    report.captions("val", 2, 6)
    report.captions("val", 2, 6)
    (task,) = report.bar.tasks
    assert (task.description, task.completed, task.total) == ("captions of val", 4, 6)
    report.checked_photos(3, 6)
    (task,) = report.bar.tasks
    assert (task.description, task.completed) == ("reading photos", 3)


def test_without_a_terminal_a_line_comes_every_30_seconds(monkeypatch):
    clock = iter(range(0, 10_000, 20)).__next__
    monkeypatch.setattr("captioner.errors.time.monotonic", clock)
    monkeypatch.setattr(console, "next_line", 0)
    report = TerminalReport()
    with console.capture() as out:
        for _ in range(9):
            report.captions("val", 1, 9)
    lines = out.get().splitlines()
    assert 1 < len(lines) < 9
    assert lines[0].startswith("captions of val: 1 of 9  photos")
