"""What a score is printed and saved with: its protocol, and the baselines it has to beat.

On disk scores keep coco-caption's own scale (BLEU 0 to 1, CIDEr-D 0 to 10); tables print them x100, as papers do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from captioner.errors import UserError
from captioner.files import VERSION, write_text_atomically
from captioner.metrics.bootstrap import RESAMPLES, SEED
from captioner.metrics.clip import CLIP_SCORE, REF_CLIP_SCORE
from captioner.metrics.java import METEOR, SPICE
from captioner.metrics.scores import NAMES, Captions, References, word_rule
from captioner.metrics.units import MEAN_LENGTH, WORDS_USED, metrics_of, shown, unit_of

Row = Mapping[str, float]
"""Values by the name of their metric, in coco-caption's own scale."""
Intervals = Mapping[str, tuple[float, float]]
"""The ends of an interval, by the name of their metric."""
Differences = Mapping[str, tuple[float, float, float]]
"""A difference and the ends of its interval, by the name of its metric."""

MOST_FREQUENT = "most frequent"
"""The row of a baseline: the most frequent training caption, for every photo."""
GROUPS = [
    [*NAMES, METEOR, SPICE],
    [CLIP_SCORE, REF_CLIP_SCORE],
    [WORDS_USED, MEAN_LENGTH],
    ["repeats a word", "repeats 3 words", "bad ending", "novel"],
    ["CHAIR_i", "CHAIR_s", "object recall"],
    ["distinct-1", "distinct-2", "mBLEU-4", "self-CIDEr"],
]
"""Scores that stand in one table, all of one unit: how good captions are, how good to CLIP, of how many words, how odd or new, whether they
name what is there, and how a photo's captions differ."""


def scorers(names: Collection[str] = (), clip: str = "") -> str:
    """The programs that give scores of these names, with their versions; `clip` is the model behind CLIPScore, where there is one."""
    theirs = f"pycocoevalcap {version('pycocoevalcap')}"
    java = [program for name, program in ((METEOR, "METEOR 1.5"), (SPICE, "SPICE 1.0")) if name in names]
    more = [f"{' and '.join(java)} of {theirs}"] if java else []
    return "; ".join([f"captioner {VERSION}, equal to {theirs}", *more, *([f"{CLIP_SCORE} by {clip}"] if clip else [])])


@dataclass(frozen=True)
class Protocol:
    """All that a score depends on besides the model. Texts are printed as they stand."""

    split: str
    num_photos: int
    num_references: str  # of one photo: "5", or "1-5" where photos differ
    tokens: str
    decoding: str  # "beam 5"
    length_rule: str = ""
    unknown: str = ""  # what decoding does with <unk>
    reward: str = ""  # what training rewarded, where it did
    seed: int | None = None
    models: str = ""  # the members of an ensemble
    intervals: str = f"95 %, {RESAMPLES:,} resamples of photos (seed {SEED}), document frequencies fixed"
    scorers: str = field(default_factory=scorers)

    def signature(self) -> str:
        """The protocol in one line, to print with every score."""
        parts = {
            "split": self.split,
            "photos": self.num_photos,
            "references": self.num_references,
            "tokens": self.tokens,
            "decoding": self.decoding,
            "length": self.length_rule,
            "unknown": self.unknown,
            "reward": self.reward,
            "seed": self.seed,
            "models": self.models,
            "intervals": self.intervals,
            "scorers": self.scorers,
        }
        return " | ".join(
            " ".join(f"{name}: {value}".split()) for name, value in parts.items() if value not in ("", None)
        )


def count_references(references: References) -> str:
    """How many references a photo has, as a protocol says it: "5", or "1-5" where photos differ."""
    counts = [len(texts) for texts in references.values()]
    if not counts:
        raise UserError("counting references needs at least one photo, got none; check the split's name")
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


def most_frequent_caption(train_references: References, tokens: str = "simple") -> str:
    """The training caption that stands most often, word for word; of several, the first in the alphabet of their words.

    It is given as it stands there first, not as its words, so that scoring cuts it into words once.
    """
    split, written = word_rule(tokens), {}
    counts: Counter[str] = Counter()
    for text in chain.from_iterable(train_references.values()):
        words = " ".join(split(text))
        counts[words] += 1
        written.setdefault(words, text)
    counts.pop("", None)
    if not counts:
        raise UserError("a baseline needs training captions with words, got none; check the training split")
    return written[min(counts, key=lambda words: (-counts[words], words))]


def grouped(rows: Mapping[str, Row]) -> list[dict[str, dict[str, float]]]:
    """The rows of each table: those of `GROUPS` that there is something for; the first has scores of other names too."""
    elsewhere = {metric for group in GROUPS[1:] for metric in group}
    found = []
    for place, group in enumerate(GROUPS):
        own = {
            name: {metric: row[metric] for metric in row if metric in group or (place == 0 and metric not in elsewhere)}
            for name, row in rows.items()
        }
        found.append({name: row for name, row in own.items() if row})
    return [own for own in found if own]


def table(rows: Mapping[str, Row], protocol: Protocol, intervals: Mapping[str, Intervals] | None = None) -> Group:
    """A line for each system and a column for each metric, x100, but for numbers of words; a metric that a row lacks is a dash.

    Below a value stands half the width of its interval, which keeps the table narrow. Few columns stand in a table, and a table for each
    group of metrics. What the dashes mean and the protocol close them.
    """
    tables = [_table(own, intervals or {}) for own in grouped(rows)]
    return Group(*tables, *map(Text, dashes(rows)), Text(protocol.signature(), style="italic"))


def dashes(rows: Mapping[str, Row]) -> list[str]:
    """What each dash of the tables means: scores that some rows lack, and whose rows these are."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for own in grouped(rows):
        for metric in metrics_of(own):
            lacking.setdefault(tuple(name for name, row in own.items() if metric not in row), []).append(metric)
    return [
        f"- means not scored: {', '.join(metrics)} of {', '.join(names)}{_why(metrics)}"
        for names, metrics in lacking.items()
        if names
    ]


def _why(metrics: Collection[str]) -> str:
    return " (Java programs are slow, and run for models alone)" if {METEOR, SPICE}.issuperset(metrics) else ""


def _table(rows: Mapping[str, Row], intervals: Mapping[str, Intervals]) -> Table:
    metrics = metrics_of(rows)
    unit = Column(unit_of(metrics), no_wrap=True, overflow="fold")
    printed = Table(unit, box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    for metric in metrics:
        printed.add_column(Text(metric), justify="right")
    for name, row in rows.items():
        printed.add_row(Text(name), *(_cell(row, metric, intervals.get(name, {}).get(metric)) for metric in metrics))
    return printed


def _cell(row: Row, metric: str, interval: tuple[float, float] | None) -> str:
    if metric not in row:
        return "-"
    half = "0.0" if interval is None else shown((interval[1] - interval[0]) / 2, metric)
    return shown(row[metric], metric) + (f"\n[dim]±{half}[/]" if half != "0.0" else "")


def differences_table(ours: str, theirs: str, rows: Mapping[str, Row], differences: Differences) -> Table:
    """A line for each metric: two systems, by how much the first is larger, and the ends of that difference's 95 % interval."""
    title = Text(f"first: {ours}\nsecond: {theirs}\ndifference: first less second")
    printed = Table(Column("", no_wrap=True), title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("first", "second", "difference", "95 % interval"):
        printed.add_column(name, justify="right", no_wrap=True)
    for metric, (difference, *ends) in differences.items():
        low, high = (shown(end, metric, "+") for end in ends)
        values = [shown(rows[name][metric], metric) for name in (ours, theirs)]
        printed.add_row(f"{metric}, {unit_of([metric])}", *values, shown(difference, metric, "+"), f"{low} to {high}")
    return printed


def save_scores(
    path: Path,
    scores: Row | Mapping[str, Row],
    protocol: Protocol,
    intervals: Mapping[str, Intervals] | None = None,
    differences: Differences | None = None,
) -> None:
    """One row, or rows by name, with their protocol, as json in coco-caption's own scale."""
    stored: dict[str, object] = {"scores": scores}
    stored |= {"intervals": intervals} if intervals is not None else {}
    stored |= {"differences": differences} if differences is not None else {}
    _save_json(path, stored | {"protocol": asdict(protocol), "signature": protocol.signature()})


def save_results(path: Path, captions: Captions) -> None:
    """The captions in COCO's result format, which the COCO server and other evaluation code read."""
    _save_json(path, [{"image_id": photo, "caption": caption} for photo, caption in captions.items()])


def _save_json(path: Path, content: object) -> None:
    write_text_atomically(path, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
