"""Progress of training, scoring and other long work: `Report` names the events, `TerminalReport` shows them."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from captioner.errors import Terminal

console, errors = Terminal(), Terminal(stderr=True)


def print_note(text: str) -> None:
    """Say something that needs no action; of the processes of torchrun, only the first does."""
    if os.environ.get("RANK", "0") == "0":
        errors.print(f"note: {text}", soft_wrap=True)


class Report:
    """The events of long work, one method each. This class ignores them all; a subclass overrides those that it shows.

    `count` is the number of items finished since the last call, `done` the number finished so far.
    """

    def training_started(self, folder: Path, num_photos: int, num_words: int, device: object) -> None:
        """Training starts, or continues, with this many photos and a vocabulary of `num_words`."""

    def step(
        self,
        step: int,
        epoch: int,
        batch: int,
        steps_per_epoch: int,
        num_photos: int,
        term: tuple[str, float] | None = None,
    ) -> None:
        """An optimiser step is done, the `step`-th of the run; `epoch` and `batch` count from 0. `term` is a logged term of the loss."""

    def validation(
        self,
        epoch: int,
        monitor: str,
        score: float,
        better: bool,
        distinct_captions: float,
        map_change: float | None,
        term: tuple[str, float] | None = None,
    ) -> None:
        """The validation split was scored after `epoch` epochs. `better`: best so far; `term`: first term of the loss, the epoch's mean."""

    def stopping(self) -> None:
        """A signal asked training to stop."""

    def training_finished(self, folder: Path) -> None:
        """Training is complete."""

    def note(self, text: str) -> None:
        """Something the user should know that needs no action."""

    def alarm(self, text: str) -> None:
        """Something has probably gone wrong; the work continues."""

    def missing_photos(self, photos: Sequence[Path]) -> None:
        """These photos have captions but no file, and are left out."""

    def unreadable_photos(self, split: str, listed_in: Path, reasons: Sequence[str]) -> None:
        """Photos that cannot be read are left out, for these reasons."""

    def checked_photos(self, done: int, total: int) -> None:
        """Photos were opened to see whether they can be read."""

    def stored_regions(self, split: str, folder: Path, num_rows: int, num_bytes: int) -> None:
        """This many rows of regions are about to be computed and stored in the folder."""

    def regions(self, split: str, count: int, total: int) -> None:
        """Rows of regions were computed and stored."""

    def captions(self, split: str, count: int, total: int) -> None:
        """Photos were captioned."""

    def neighbours(self, split: str, count: int, total: int) -> None:
        """Photos were compared to find the most similar ones."""

    def clip(self, what: str, done: int, total: int) -> None:
        """CLIP has read photos or texts."""

    def inspection(self, what: str, count: int, total: int) -> None:
        """An inspection has measured photos, captions or words."""

    def variant(self, name: str, seed: int, number: int, total: int) -> None:
        """A comparison starts on one of its training runs."""


silent = Report()


class TerminalReport(Report):
    """Shows a bar with rate and time left, a line for each validation, and alarms. Use it in a `with` block."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.draws,
        )
        self.tasks: dict[str, TaskID] = {}
        self.term = ""  # of the loss, as it was logged last
        self.clock: tuple[float, int] | None = None  # the end of the current stretch's first step, and the photos since
        self.started = time.monotonic()

    def __enter__(self) -> TerminalReport:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # the terminal was closed
            self.bar.stop()

    def training_started(self, folder: Path, num_photos: int, num_words: int, device: object) -> None:
        console.print(f"training {folder} on {device}: {num_photos:,} photos, {num_words:,} words")
        self.started = time.monotonic()
        self.clock = None

    def step(
        self,
        step: int,
        epoch: int,
        batch: int,
        steps_per_epoch: int,
        num_photos: int,
        term: tuple[str, float] | None = None,
    ) -> None:
        self.term = f"{term[0]} {term[1]:.3f}  " if term else self.term
        since, photos = self.clock or (time.monotonic(), -num_photos)  # without the first step, which waits for data
        self.clock = (since, photos + num_photos)
        rate = f"{self.clock[1] / max(time.monotonic() - since, 1e-9):,.0f} photos/s" if self.clock[1] else ""
        self._update(f"epoch {epoch + 1}", steps_per_epoch, self.term + rate, completed=batch + 1)

    def validation(
        self,
        epoch: int,
        monitor: str,
        score: float,
        better: bool,
        distinct_captions: float,
        map_change: float | None,
        term: tuple[str, float] | None = None,
    ) -> None:
        change = "" if map_change is None else f"  map change {map_change:.2f}"
        mark = "  best" if better else ""
        loss = f"{term[0]} {term[1]:.3f}  " if term else ""
        console.print(
            f"epoch {epoch}  {loss}{monitor} {100 * score:.1f}  "
            f"distinct {distinct_captions:.0%}{change}  {time.monotonic() - self.started:.0f} s so far{mark}"
        )
        self.clock = None

    def stopping(self) -> None:
        console.print("stopping after this step, and saving; once more to stop without saving")

    def training_finished(self, folder: Path) -> None:
        console.print(f"finished: {folder} (score it: captioner eval {folder})")

    def note(self, text: str) -> None:
        print_note(text)

    def alarm(self, text: str) -> None:
        errors.print(Text("alarm:", style="yellow"), text)

    def missing_photos(self, photos: Sequence[Path]) -> None:
        self.alarm(f"{len(photos):,} photos have no file and are left out, first {photos[0]}")

    def unreadable_photos(self, split: str, listed_in: Path, reasons: Sequence[str]) -> None:
        self.alarm(
            f"{len(reasons)} photos of {split} cannot be read and are left out, listed in {listed_in}: {reasons[0]}"
        )

    def checked_photos(self, done: int, total: int) -> None:
        self._update("reading photos", total, "photos", completed=done)

    def stored_regions(self, split: str, folder: Path, num_rows: int, num_bytes: int) -> None:
        console.print(f"regions of {split}: {num_rows:,} to compute, {num_bytes / 2**20:,.1f} MiB in {folder}")

    def regions(self, split: str, count: int, total: int) -> None:
        self._update(f"regions of {split}", total, "photos", advance=count)

    def captions(self, split: str, count: int, total: int) -> None:
        self._update(f"captions of {split}", total, "photos", advance=count)

    def neighbours(self, split: str, count: int, total: int) -> None:
        self._update(f"looking for neighbours in {split}", total, "photos", advance=count)

    def clip(self, what: str, done: int, total: int) -> None:
        self._update(f"CLIP reads {what}", total, "", completed=done)

    def inspection(self, what: str, count: int, total: int) -> None:
        self._update(what, total, "", advance=count)

    def variant(self, name: str, seed: int, number: int, total: int) -> None:
        console.print(f"{number} of {total}: {name}, seed {seed}")

    def _update(self, name: str, total: int, note: str, **change: Any) -> None:
        """Move the bar, or print a line now and then if there is no bar."""
        self.bar.update(self._task(name, total), note=note, **change)
        (task,) = self.bar.tasks
        left = "" if task.time_remaining is None else f"  {task.time_remaining:,.0f} s left"
        console.print_seldom(f"{name}: {task.completed:,.0f} of {total:,}  {note}{left}")

    def _task(self, name: str, total: int) -> TaskID:
        """The bar of this name; a new one replaces all others."""
        if name not in self.tasks:
            for task in self.tasks.values():
                self.bar.remove_task(task)
            self.tasks = {name: self.bar.add_task(name, total=total, note="")}
        return self.tasks[name]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> type:
        """`Reporter`, the earlier name of `TerminalReport`."""
        if name != "Reporter":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        text = "captioner.progress.Reporter is now TerminalReport; the earlier name works for one release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return TerminalReport
