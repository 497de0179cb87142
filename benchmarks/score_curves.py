"""Two training curves side by side: scores by seconds of training, and the time to a score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from captioner.progress import Report
from captioner.training.stopping import StopRequest

OURS, TEXTBOOK = "captioner", "textbook"
console = Console(highlight=False, width=110)


@dataclass
class Point:
    name: str
    captions: int  # read in training
    seconds: float
    score: float


@dataclass
class Curves:
    """All scores so far, in the order of their time; each is printed and written at once."""

    path: Path
    points: list[Point] = field(default_factory=list)

    def __post_init__(self):
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            self.points = [Point(**json.loads(line)) for line in lines]

    def add(self, name: str, captions: int, seconds: float, score: float) -> None:
        point = Point(name, captions, round(seconds, 2), score)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(point)) + "\n")
        self.points.append(point)
        console.print(f"{name}: {captions:,} captions, {seconds:,.0f} s, CIDEr-D {100 * score:.1f}")

    def of(self, name: str) -> list[Point]:
        """One point for each number of captions, the last that was written."""
        return list({point.captions: point for point in self.points if point.name == name}.values())

    def seconds(self, name: str) -> float:
        return max((point.seconds for point in self.of(name)), default=0.0)


@dataclass
class Clock(Report):
    """The training seconds of one of the two; at its limit it asks to stop. A report, so that our training tells it of every step."""

    stop: StopRequest
    limit: float
    total: float
    read: Callable[[], float]  # a clock
    started: float | None = None

    def now(self) -> float:
        return self.total + (0.0 if self.started is None else self.read() - self.started)

    @contextmanager
    def running(self, wanted: bool = True) -> Iterator[None]:
        """Counts inside, or, with `wanted=False`, not."""
        before = self.started is not None
        self._turn(wanted)
        try:
            yield
        finally:
            self._turn(before)

    def _turn(self, on: bool) -> None:
        self.total, self.started = self.now(), self.read() if on else None

    def step(self, *step: object) -> None:
        self.stop.asked = self.stop.asked or self.now() > self.limit

    def note(self, text: str) -> None:
        console.print(f"note: {text}")


def report(curves: Curves, clocks: dict[str, Clock], epoch: int, wanted: float | None = None) -> None:
    """The curves, and the time of both to the wanted score, or to the textbook's best; an epoch has this number of captions."""
    table = Table(title="dev scores, decoded alike")
    for column in ("decoder", "captions read", "epochs", "seconds", "CIDEr-D"):
        table.add_column(column, justify="left" if column == "decoder" else "right")
    for name in (TEXTBOOK, OURS):
        for point in curves.of(name):
            epochs = f"{point.captions / epoch:.1f}"
            table.add_row(name, f"{point.captions:,}", epochs, f"{point.seconds:,.1f}", f"{100 * point.score:.1f}")
    console.print(table)
    for name, clock in clocks.items():
        if clock.now() > clock.limit:
            console.print(
                f"{name} was stopped by the limit of {clock.limit:,.0f} s; its scores could have become better"
            )
    both = {name: curves.of(name) for name in (TEXTBOOK, OURS)}
    if not all(both.values()):
        console.print("no time to a score: one of the two has no score; give more --hours, or --rows")
        return
    bests = {name: max(points, key=lambda point: point.score) for name, points in both.items()}
    for name, best in bests.items():
        last = ", its last score: it was still rising" if best is both[name][-1] else ""
        console.print(f"best of {name}: CIDEr-D {100 * best.score:.1f} after {best.seconds:,.1f} s{last}")
    wanted = bests[TEXTBOOK].score if wanted is None else wanted
    first = {name: next((p for p in points if p.score >= wanted), None) for name, points in both.items()}
    for name, point in first.items():
        when = f"after {point.seconds:,.1f} s, with {100 * point.score:.1f}" if point else "not reached"
        console.print(f"CIDEr-D of at least {100 * wanted:.1f}, {name}: {when}")
    ours, textbook = first[OURS], first[TEXTBOOK]
    if ours and textbook:
        console.print(f"captioner needs 1/{textbook.seconds / ours.seconds:.1f} of the textbook's time")
