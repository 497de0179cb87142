"""What a person sees while training and scoring run: a bar with rate and time left, a line for each validation, alarms."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Report = Callable[..., None]
"""Hears what happens in a run: the name of an event, and its values."""


def silent(event: str, **values: Any) -> None:
    """A report that shows nothing."""


class Reporter:
    """Turns the events of a run into lines and bars; call it as a run's `report`. Close it with `with`."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.tasks: dict[str, TaskID] = {}
        self.term = ("loss", float("nan"))
        self.clock = (time.monotonic(), 0)  # since when, and photos seen since
        self.started = time.monotonic()

    def __enter__(self) -> Reporter:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def __call__(self, event: str, **values: Any) -> None:
        getattr(self, f"_{event}")(**values)

    def _start(self, folder, photos, vocabulary, device) -> None:
        console.print(f"training {folder} on {device}: {photos:,} photos, {vocabulary:,} words")
        self.started = time.monotonic()
        self.clock = (time.monotonic(), 0)

    def _store(self, split, folder, num_bytes, rows) -> None:
        console.print(f"regions of {split}: {rows:,} to compute, {num_bytes / 2**20:,.1f} MiB in {folder}")

    def _regions(self, split, count, total) -> None:
        self._advance(f"regions of {split}", count, total, "photos")

    def _missing(self, photos) -> None:
        self._alarm(f"{len(photos):,} photos have no file and are left out, first {photos[0].image}")

    def _unreadable(self, split, listed, reasons) -> None:
        self._alarm(
            f"{len(reasons)} photos of {split} cannot be read and are left out, listed in {listed}: {reasons[0]}"
        )

    def _decode(self, split, count, total) -> None:
        self._advance(f"captions of {split}", count, total, "photos")

    def _inspect(self, what, count, total) -> None:
        self._advance(what, count, total, "")

    def _clip(self, what, count, total) -> None:
        self._advance(f"CLIP reads {what}", count, total, "", to=True)

    def _examine(self, done, total) -> None:
        self._advance("reading photos", done, total, "photos", to=True)

    def _compare(self, split, count, total) -> None:
        self._advance(f"looking for neighbours in {split}", count, total, "photos")

    def _step(self, progress, steps_per_epoch, num_photos, term=None) -> None:
        self.term = term or self.term
        since, seen = self.clock
        self.clock = (since, seen + num_photos)
        rate = (seen + num_photos) / max(time.monotonic() - since, 1e-9)
        name = f"epoch {progress.epoch + 1}"
        note = f"{self._shown_term()}  {rate:,.0f} photos/s"
        self._advance(name, progress.batch + 1, steps_per_epoch, note, to=True)

    def _validation(self, progress, better, monitor, distinct_captions, map_change, **scores) -> None:
        moved = "" if map_change is None else f"  maps move {map_change:.2f}"
        mark = "  best" if better else ""
        console.print(
            f"epoch {progress.epoch}  {self._shown_term()}  {monitor} {100 * scores[monitor]:.1f}  "
            f"distinct {distinct_captions:.0%}{moved}  {time.monotonic() - self.started:.0f} s so far{mark}"
        )
        self.clock = (time.monotonic(), 0)

    def _shown_term(self) -> str:
        name, value = self.term
        return f"{name} {value:.3f}"

    def _variant(self, name, seed, number, total) -> None:
        console.print(f"{number} of {total}: {name}, seed {seed}")

    def _alarm(self, text) -> None:
        errors.print(f"[yellow]alarm:[/] {escape(text)}")

    def _stopping(self) -> None:
        console.print("stopping after this step, and saving; once more to stop at once")

    def _end(self, folder) -> None:
        console.print(f"finished: {folder} (score it: python eval.py {folder})")

    def _advance(self, name: str, count: int, total: int, note: str, to: bool = False) -> None:
        if name not in self.tasks:
            for task in self.tasks.values():
                self.bar.remove_task(task)
            self.tasks = {name: self.bar.add_task(name, total=total, note="")}
        task = self.tasks[name]
        if to:
            self.bar.update(task, completed=count, note=note)
        else:
            self.bar.update(task, advance=count, note=note)
