"""Scores as a person sees them: tables, differences, and what is to be said about them."""

from __future__ import annotations

from captioner import metrics
from captioner.commands.evaluate.system import Judged
from captioner.metrics.clip import CLIP_SCORE, PREFIX
from captioner.metrics.java import lacking
from captioner.metrics.scores import Captions, word_rule
from captioner.progress import console


def print_scores(found: Judged, java: bool) -> None:
    """Tables, and notes below them; `java` says whether METEOR and SPICE were asked for."""
    console.print(metrics.table(found.rows, found.protocol, found.intervals))
    if (differences := found.differences()) is not None:
        ours, theirs = found.names
        console.print(metrics.differences_table(ours, theirs, found.rows, differences))
    own = found.asked()
    notes = [note for name, captions in own.items() for note in _wordless(name, captions, found.protocol.tokens)]
    if notes and any(CLIP_SCORE in found.rows[name] for name in own):
        notes.append(f"{CLIP_SCORE} reads captions without words as {PREFIX.strip()!r}, and scores that")
    for note in [*notes, *(_left_out(found.protocol.tokens) if java else [])]:
        console.print(note, soft_wrap=True, markup=False)


def _wordless(name: str, captions: Captions, tokens: str) -> list[str]:
    split = word_rule(tokens)
    bare = [photo for photo, caption in captions.items() if not split(caption)]
    if not bare:
        return []
    return [f"{len(bare)} of {len(captions)} captions of {name} have no words (first: {bare[0]!r}) and are worth 0"]


def _left_out(tokens: str) -> list[str]:
    """Which of METEOR and SPICE could not run, with what to do."""
    found: dict[str, list[str]] = {}
    for scorer, remedy in lacking(tokens).items():
        found.setdefault(remedy, []).append(scorer)
    return [f"left out: {' and '.join(scorers)} ({remedy})" for remedy, scorers in found.items()]
