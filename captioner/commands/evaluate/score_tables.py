"""Scores on a terminal: tables, differences, and notes."""

from __future__ import annotations

from captioner import metrics
from captioner.commands.evaluate.system import ScoredSystems
from captioner.metrics.clip import CLIP_SCORE, PREFIX
from captioner.metrics.coco_scores import Captions, word_rule
from captioner.metrics.java import lacking
from captioner.progress import console


def print_scores(scored: ScoredSystems, java: bool) -> None:
    """Print tables with notes below them; `java` says whether METEOR and SPICE were requested."""
    console.print(metrics.table(scored.rows, scored.protocol, scored.intervals))
    if (differences := scored.differences()) is not None:
        ours, theirs = scored.names
        console.print(metrics.differences_table(ours, theirs, scored.rows, differences))
    own = scored.captions_without_baselines()
    notes = [note for name, captions in own.items() for note in _empty_captions(name, captions, scored.protocol.tokens)]
    if notes and any(CLIP_SCORE in scored.rows[name] for name in own):
        notes.append(f"{CLIP_SCORE} scores captions without words as {PREFIX.strip()!r}")
    for note in [*notes, *(_unavailable(scored.protocol.tokens) if java else [])]:
        console.print(note, soft_wrap=True)


def _empty_captions(name: str, captions: Captions, tokens: str) -> list[str]:
    split = word_rule(tokens)
    empty = [photo for photo, caption in captions.items() if not split(caption)]
    if not empty:
        return []
    return [f"{len(empty)} of {len(captions)} captions of {name} have no words (first: {empty[0]!r}) and score 0"]


def _unavailable(tokens: str) -> list[str]:
    """Which of METEOR and SPICE cannot run, and what to do about it."""
    by_remedy: dict[str, list[str]] = {}
    for scorer, remedy in lacking(tokens).items():
        by_remedy.setdefault(remedy, []).append(scorer)
    return [f"left out: {' and '.join(scorers)} ({remedy})" for remedy, scorers in by_remedy.items()]
