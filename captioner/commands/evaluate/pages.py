"""Scores as an HTML page: tables, then every photo with its caption, maps, references and scores, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from captioner import metrics
from captioner.commands.evaluate.evaluation import PAGE, Evaluation
from captioner.commands.evaluate.report import Entry, report_page
from captioner.commands.evaluate.score_tables import warnings
from captioner.commands.evaluate.system import ScoredSystems
from captioner.commands.photo_sources import with_placement
from captioner.files import write_text_atomically, written_together
from captioner.metrics.coco_scores import Captions, PhotoId, References, score_each

MAX_PHOTOS = 1000
"""A page shows at most this many photos; the others are not opened."""


def save_page(evaluation: Evaluation) -> Path:
    """Write report.html beside the scores. Photos whose files are gone appear without picture and maps."""
    scores = {}
    if evaluation.rows:
        scores = scores_by_photo(
            evaluation.systems[evaluation.name], evaluation.references(), evaluation.protocol.tokens
        )
    shown = worst_photos(scores, [example.id for example in evaluation.examples])
    entries = []
    for index, (example, caption) in enumerate(zip(evaluation.examples, evaluation.captions, strict=True)):
        photo = example.image if example.id in shown and example.has_file else None
        if photo is not None:
            caption = with_placement(caption, evaluation.source, index)
        entries.append(Entry(photo, example.image.name, caption, example.references, scores.get(example.id, {})))
    path = evaluation.folder / PAGE
    with written_together(evaluation.folder):
        write_text_atomically(path, scores_page(entries, evaluation, evaluation.title))
    return path


def scores_page(entries: list[Entry], scored: ScoredSystems, title: str) -> str:
    """The page's text; differences of two systems have tables of their own."""
    tables, intervals, differences = metrics.grouped(scored.rows), dict(scored.intervals), scored.differences()
    if differences is not None:
        name = " minus ".join(scored.names)
        tables += metrics.grouped({name: {metric: difference for metric, (difference, _, _) in differences.items()}})
        intervals[name] = {metric: (low, high) for metric, (_, low, high) in differences.items()}
    signature, notes = scored.protocol.signature(), [*warnings(scored), *metrics.dashes(scored.rows)]
    return report_page(entries, tables, signature, title, intervals, MAX_PHOTOS, notes)


def scores_by_photo(captions: Captions, references: References, tokens: str) -> dict[PhotoId, dict[str, float]]:
    """Each photo's scores; CIDEr-D comes first, since it decides which photo is worst."""
    scores = score_each(captions, references, tokens)
    names = sorted(scores, key=lambda name: name != "CIDEr-D")
    return {photo: {name: scores[name][index] for name in names} for index, photo in enumerate(references)}


def worst_photos(scores: Mapping[PhotoId, Mapping[str, float]], photos: Iterable[PhotoId]) -> set[PhotoId]:
    """The photos with the lowest CIDEr-D, which the page shows."""
    return set(sorted(photos, key=lambda photo: scores.get(photo, {}).get("CIDEr-D", float("inf")))[:MAX_PHOTOS])
