"""What a score is printed and saved with: its protocol, and the baselines it has to beat.

On disk scores keep coco-caption's own scale (BLEU 0 to 1, CIDEr-D 0 to 10); tables print them x100, as papers do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.table import Column, Table
from rich.text import Text

from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.metrics.diversity import AS_THEY_ARE
from captioner.metrics.scores import Captions, References, score, word_rule

Row = Mapping[str, float]
"""Values by the name of their metric, in coco-caption's own scale."""

MOST_FREQUENT = "most frequent"
"""The row of a baseline: the most frequent training caption, for every photo."""
IN_TRAINING = "in training"
"""The name of the column of `seen_share`."""


def _scorers() -> str:
    return f"captioner's, equal to pycocoevalcap {version('pycocoevalcap')}"


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
    scorers: str = field(default_factory=_scorers)

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
    """The training caption that stands most often, word for word; of several, the first in the alphabet."""
    split = word_rule(tokens)
    counts = Counter(" ".join(split(text)) for texts in train_references.values() for text in texts)
    counts.pop("", None)
    if not counts:
        raise UserError("a baseline needs training captions with words, got none; check the training split")
    return min(counts, key=lambda caption: (-counts[caption], caption))


def baselines(
    train_references: References, references: References, tokens: str = "simple"
) -> dict[str, dict[str, float]]:
    """Rows of a table that no photo was looked at for: one training caption, the most frequent, for every photo."""
    caption = most_frequent_caption(train_references, tokens)
    # It comes already cut into words; cutting it again changes nothing, but for quotes and brackets under `ptb`.
    return {MOST_FREQUENT: score(dict.fromkeys(references, caption), references, tokens)}


def seen_share(captions: Captions, train_references: References, tokens: str = "simple") -> float:
    """The share of captions, 0 to 1, that stand word for word among the training captions."""
    if not captions:
        raise UserError("the share of seen captions needs at least one caption, got none")
    split = word_rule(tokens)
    seen = {tuple(split(text)) for texts in train_references.values() for text in texts}
    return sum(tuple(split(caption)) in seen for caption in captions.values()) / len(captions)


def table(rows: Mapping[str, Row], protocol: Protocol) -> Table:
    """One line for each system, one column for each metric, x100, but for numbers of words; a metric that a row lacks is a dash."""
    metrics = list(dict.fromkeys(metric for row in rows.values() for metric in row))
    printed = Table(
        Column("x100", no_wrap=True, overflow="fold"),
        caption=Text(protocol.signature()),
        box=box.SIMPLE_HEAD,
        padding=0,
        collapse_padding=True,
    )
    for metric in metrics:
        printed.add_column(Text(metric), justify="right")
    for name, row in rows.items():
        printed.add_row(Text(name), *(_printed(row, metric) for metric in metrics))
    return printed


def _printed(row: Row, metric: str) -> str:
    if metric not in row:
        return "-"
    return f"{row[metric]:,.1f}" if metric in AS_THEY_ARE else f"{100 * row[metric]:.1f}"


def save_scores(path: Path, scores: Row | Mapping[str, Row], protocol: Protocol) -> None:
    """One row, or rows by name, with their protocol, as json in coco-caption's own scale."""
    stored = {"scores": scores, "protocol": asdict(protocol), "signature": protocol.signature()}
    _save_json(path, stored)


def save_results(path: Path, captions: Captions) -> None:
    """The captions in COCO's result format, which the COCO server and other evaluation code read."""
    _save_json(path, [{"image_id": photo, "caption": caption} for photo, caption in captions.items()])


def _save_json(path: Path, content: object) -> None:
    write_text_atomically(path, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
