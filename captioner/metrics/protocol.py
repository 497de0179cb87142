"""How scores are printed and saved: with the evaluation protocol and the baselines to beat.

Scores on disk have coco-caption's own scale (BLEU 0 to 1, CIDEr-D 0 to 10); tables print them x100, as papers do.
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

from captioner.errors import UserError, visible
from captioner.files import VERSION, write_text_atomically
from captioner.metrics.bootstrap import RESAMPLES, SEED
from captioner.metrics.clip import CLIP_SCORE, REF_CLIP_SCORE
from captioner.metrics.coco_scores import Captions, References, word_rule
from captioner.metrics.java import METEOR, SPICE
from captioner.metrics.nltk_bleu import NLTK_BLEU
from captioner.metrics.units import MEAN_LENGTH, NAMES, WORDS_USED, metrics_of, shown, unit_of

Row = Mapping[str, float]
"""Values by metric, in coco-caption's own scale."""
Intervals = Mapping[str, tuple[float, float]]
"""The ends of an interval, by metric."""
Differences = Mapping[str, tuple[float, float, float]]
"""A difference and the ends of its interval, by metric."""

MOST_FREQUENT = "most frequent"
"""The row of a baseline: the most frequent training caption, for every photo."""
GROUPS = [
    [*NAMES, METEOR, SPICE, NLTK_BLEU],
    [CLIP_SCORE, REF_CLIP_SCORE],
    [WORDS_USED, MEAN_LENGTH],
    ["repeats a word", "repeats 3 words", "bad ending", "novel"],
    ["CHAIR_i", "CHAIR_s", "object recall"],
    ["distinct-1", "distinct-2", "mBLEU-4", "self-CIDEr"],
]
"""The metrics of each table, all of one unit: agreement with references, agreement with the photo by CLIP, counts of words, faults and
novelty, object hallucination, and diversity."""


def scorers(names: Collection[str] = (), clip: str = "", words: str = "split at white space") -> str:
    """The programs that compute metrics of these names, with their versions.

    Args:
        names: of the metrics.
        clip: the model used for CLIPScore.
        words: how nltk's BLEU cuts texts.
    """
    original = f"pycocoevalcap {version('pycocoevalcap')}"
    programs = [program for name, program in ((METEOR, "METEOR 1.5"), (SPICE, "SPICE 1.0")) if name in names]
    parts = [f"captioner {VERSION}, equal to {original}"]
    parts += [f"{' and '.join(programs)} of {original}"] if programs else []
    parts += [f"{NLTK_BLEU} by nltk {version('nltk')}, words {words}"] if NLTK_BLEU in names else []
    parts += [f"{CLIP_SCORE} by {clip}"] if clip else []
    return "; ".join(parts)


@dataclass(frozen=True)
class Protocol:
    """Everything a score depends on besides the model. Texts are printed unchanged."""

    split: str
    num_photos: int
    num_references: str  # of one photo: "5", or "1-5" if photos differ
    tokens: str
    decoding: str  # "beam 5"
    length_rule: str = ""
    unknown: str = ""  # how decoding treats <unk>
    reward: str = ""  # the reward of self-critical training, if any
    seed: int | None = None
    models: str = ""  # the members of an ensemble
    intervals: str = f"95 %, {RESAMPLES:,} resamples of photos (seed {SEED}), document frequencies fixed"
    scorers: str = field(default_factory=scorers)

    def signature(self) -> str:
        """The protocol in one line, to print with every score."""
        short = {"num_photos": "photos", "num_references": "references", "length_rule": "length"}
        parts = {short.get(name, name): value for name, value in asdict(self).items()}
        return " | ".join(
            " ".join(f"{name}: {value}".split()) for name, value in parts.items() if value not in ("", None)
        )


def count_references(references: References) -> str:
    """The number of references of a photo, for the protocol: "5", or "1-5" if photos differ."""
    counts = [len(texts) for texts in references.values()]
    if not counts:
        raise UserError("counting references needs at least one photo, got none; check the split's name")
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


def most_frequent_caption(train_references: References, tokens: str = "simple") -> str:
    """The most frequent training caption; of equally frequent ones, the first alphabetically.

    Captions are compared word by word; the text of the first one is returned untokenised, so that scoring tokenises it once.
    """
    split, first_texts = word_rule(tokens), {}
    counts: Counter[str] = Counter()
    for text in chain.from_iterable(train_references.values()):
        words = " ".join(split(text))
        counts[words] += 1
        first_texts.setdefault(words, text)
    counts.pop("", None)
    if not counts:
        raise UserError("a baseline needs training captions with words, got none; check the training split")
    return first_texts[min(counts, key=lambda words: (-counts[words], words))]


def grouped(rows: Mapping[str, Row]) -> list[dict[str, dict[str, float]]]:
    """The rows of each table that is not empty, in the order of `GROUPS`; metrics of no group are in the first."""
    later = {metric for group in GROUPS[1:] for metric in group}
    groups = []
    for index, group in enumerate(GROUPS):
        own = {
            name: {metric: row[metric] for metric in row if metric in group or (index == 0 and metric not in later)}
            for name, row in rows.items()
        }
        groups.append({name: row for name, row in own.items() if row})
    return [own for own in groups if own]


def table(rows: Mapping[str, Row], protocol: Protocol, intervals: Mapping[str, Intervals] | None = None) -> Group:
    """Print a line for each system and a column for each metric, x100 except for counts of words; a missing metric is a dash.

    There is one narrow table for each group of metrics. Half the width of a value's interval is printed below it. The meaning of the
    dashes and the protocol follow the tables.
    """
    tables = [_table(own, intervals or {}) for own in grouped(rows)]
    return Group(*tables, *map(Text, map(visible, dashes(rows))), Text(protocol.signature(), style="italic"))


def dashes(rows: Mapping[str, Row]) -> list[str]:
    """The meaning of each dash of the tables: the metrics that some rows lack, and the names of these rows."""
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
    return " (Java programs are slow, and run for models only)" if {METEOR, SPICE}.issuperset(metrics) else ""


def _table(rows: Mapping[str, Row], intervals: Mapping[str, Intervals]) -> Table:
    metrics = metrics_of(rows)
    unit = Column(unit_of(metrics), no_wrap=True, overflow="fold")
    printed = Table(unit, box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    for metric in metrics:
        printed.add_column(Text(metric), justify="right")
    for name, row in rows.items():
        printed.add_row(
            Text(visible(name)), *(_cell(row, metric, intervals.get(name, {}).get(metric)) for metric in metrics)
        )
    return printed


def _cell(row: Row, metric: str, interval: tuple[float, float] | None) -> str | Text:
    if metric not in row:
        return "-"
    half = "0.0" if interval is None else shown((interval[1] - interval[0]) / 2, metric)
    return Text.assemble(shown(row[metric], metric), *([("\n±" + half, "dim")] if half != "0.0" else []))


def differences_table(ours: str, theirs: str, rows: Mapping[str, Row], differences: Differences) -> Table:
    """Print a line for each metric: two systems, the first minus the second, and the 95 % interval of that difference."""
    title = Text(f"first: {visible(ours)}\nsecond: {visible(theirs)}\ndifference: first minus second")
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
    """Write one row, or rows by name, with their protocol, as JSON in coco-caption's own scale."""
    stored: dict[str, object] = {"scores": scores}
    stored |= {"intervals": intervals} if intervals is not None else {}
    stored |= {"differences": differences} if differences is not None else {}
    _save_json(path, stored | {"protocol": asdict(protocol), "signature": protocol.signature()})


def save_results(path: Path, captions: Captions) -> None:
    """Write captions in COCO's result format, which the COCO server and other evaluation code read."""
    _save_json(path, [{"image_id": photo, "caption": caption} for photo, caption in captions.items()])


def _save_json(path: Path, content: object) -> None:
    write_text_atomically(path, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
