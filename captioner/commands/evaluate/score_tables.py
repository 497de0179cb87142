"""Scores on a terminal: tables, differences, and notes."""

from __future__ import annotations

from captioner import metrics
from captioner.commands.evaluate.system import ScoredSystems
from captioner.metrics.clip import CLIP_SCORE, PREFIX
from captioner.metrics.coco_scores import Captions, word_rule
from captioner.metrics.java import lacking
from captioner.progress import console
from captioner.text.tokens import leaves_whole


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
    for note in [*warnings(scored), *notes, *(_unavailable(scored.protocol.tokens) if java else [])]:
        console.print(note, soft_wrap=True)


def warnings(scored: ScoredSystems) -> list[str]:
    """Why scores are low that should not be: the tokeniser does not cut the language, or there is one photo."""
    tokens, texts = scored.protocol.tokens, [text for own in scored.systems.values() for text in own.values()]
    noted = []
    if 2 * sum(leaves_whole(text, tokens) for text in texts) > len(texts):
        noted.append(
            f"these captions are in a script that is written without spaces, which tokens: {tokens} does not cut into words, so that "
            "scores are near 0 or mean nothing; score with --tokens characters"
        )
    if scored.protocol.num_photos == 1:
        noted.append("CIDEr-D of one photo is always 0, since all its words occur in every photo's references")
    return noted


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
