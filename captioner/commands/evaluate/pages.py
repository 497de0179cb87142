"""Scores as a page: the tables, then every photo with its caption, maps, references and scores, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from captioner import metrics
from captioner.commands.evaluate.evaluation import PAGE, Evaluation
from captioner.commands.evaluate.report import Entry, report_page
from captioner.commands.evaluate.system import Judged
from captioner.commands.photo_sources import with_placement
from captioner.files import write_text_atomically
from captioner.metrics.scores import Captions, PhotoId, References, score_each

MOST = 1000
"""Photos that a page shows; the others' are not opened."""


def save_page(evaluation: Evaluation) -> Path:
    """Write report.html beside the scores. A photo whose file is gone by now has its texts there, without picture and maps."""
    scores = {}
    if evaluation.rows:
        scores = scores_by_photo(
            evaluation.systems[evaluation.name], evaluation.references(), evaluation.protocol.tokens
        )
    shown = worst_photos(scores, [example.id for example in evaluation.examples])
    entries = []
    for place, (example, caption) in enumerate(zip(evaluation.examples, evaluation.captions, strict=True)):
        there = example.id in shown and example.image.is_file()
        if there:
            caption = with_placement(caption, evaluation.source, place)
        photo = example.image if there else None
        entries.append(Entry(photo, example.image.name, caption, example.references, scores.get(example.id, {})))
    path = evaluation.folder / PAGE
    write_text_atomically(path, scores_page(entries, evaluation, evaluation.title))
    return path


def scores_page(entries: list[Entry], found: Judged, title: str) -> str:
    """Differences have tables of their own."""
    tables, intervals, differences = metrics.grouped(found.rows), dict(found.intervals), found.differences()
    if differences is not None:
        name = " less ".join(found.names)
        tables += metrics.grouped({name: {metric: difference for metric, (difference, _, _) in differences.items()}})
        intervals[name] = {metric: (low, high) for metric, (_, low, high) in differences.items()}
    signature, notes = found.protocol.signature(), metrics.dashes(found.rows)
    return report_page(entries, tables, signature, title, intervals, MOST, notes)


def scores_by_photo(captions: Captions, references: References, tokens: str) -> dict[PhotoId, dict[str, float]]:
    """Every photo's own, CIDEr-D first, which says which photo is worst."""
    each = score_each(captions, references, tokens)
    names = sorted(each, key=lambda name: name != "CIDEr-D")
    return {photo: {name: each[name][place] for name in names} for place, photo in enumerate(references)}


def worst_photos(scores: Mapping[PhotoId, Mapping[str, float]], photos: Iterable[PhotoId]) -> set[PhotoId]:
    """The photos that the page will show."""
    return set(sorted(photos, key=lambda photo: scores.get(photo, {}).get("CIDEr-D", float("inf")))[:MOST])
