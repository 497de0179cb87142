"""Scores as a page: the tables, then every photo with its caption, maps, references and scores, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from captioner import metrics
from captioner.data.coco import read_file_names
from captioner.evaluation.evaluating import PAGE, Evaluation
from captioner.evaluation.files import Scored
from captioner.evaluation.judged import Judged
from captioner.files import write_text_atomically
from captioner.metrics.scores import Captions, PhotoId, References, score_each
from captioner.photos import with_placement
from captioner.visualize.report import Entry, report_page

MOST = 1000
"""Photos that a page shows; the others' are not opened."""


def save_page(evaluation: Evaluation) -> Path:
    """Write report.html beside the scores. A photo whose file is gone by now has its texts there, without picture and maps."""
    scores = {}
    if evaluation.rows:
        scores = _scores(evaluation.systems[evaluation.name], evaluation.references(), evaluation.protocol.tokens)
    shown = _worst(scores, [example.id for example in evaluation.examples])
    entries = []
    for place, (example, caption) in enumerate(zip(evaluation.examples, evaluation.captions, strict=True)):
        there = example.id in shown and example.image.is_file()
        if there:
            caption = with_placement(caption, evaluation.source, place)
        photo = example.image if there else None
        entries.append(Entry(photo, example.image.name, caption, example.references, scores.get(example.id, {})))
    path = evaluation.folder / PAGE
    write_text_atomically(path, _page(entries, evaluation, evaluation.title))
    return path


def save_page_of_files(path: Path, scored: Scored, captions: Path, photos: Path | None) -> None:
    """Write the first file's captions as a page.

    Args:
        captions: the captions file, for the photos' names.
        photos: the folder of photos; without it, or where it lacks one, texts alone are shown.
    """
    (name, written), *others = scored.systems.items()
    scores = _scores(written, scored.references, scored.protocol.tokens)
    if others:
        (other,) = others
        theirs = _scores(other[1], scored.references, scored.protocol.tokens)
        for photo, own in scores.items():
            own[f"CIDEr-D less {other[0]}'s"] = own["CIDEr-D"] - theirs[photo]["CIDEr-D"]
    names, shown = read_file_names(captions), _worst(scores, list(scored.references))
    entries = []
    for number, references in scored.references.items():
        photo = photos / names[number] if photos is not None and number in shown else None
        there = photo if photo is not None and photo.is_file() else None
        entries.append(Entry(there, names[number], written[number], references, scores[number]))
    write_text_atomically(path, _page(entries, scored, name))


def _page(entries: list[Entry], found: Judged, title: str) -> str:
    """Differences have tables of their own."""
    tables, intervals, differences = metrics.grouped(found.rows), dict(found.intervals), found.differences()
    if differences is not None:
        name = " less ".join(found.names)
        tables += metrics.grouped({name: {metric: difference for metric, (difference, _, _) in differences.items()}})
        intervals[name] = {metric: (low, high) for metric, (_, low, high) in differences.items()}
    signature, notes = found.protocol.signature(), metrics.dashes(found.rows)
    return report_page(entries, tables, signature, title, intervals, MOST, notes)


def _scores(captions: Captions, references: References, tokens: str) -> dict[PhotoId, dict[str, float]]:
    """Every photo's own, CIDEr-D first, which says which photo is worst."""
    each = score_each(captions, references, tokens)
    names = sorted(each, key=lambda name: name != "CIDEr-D")
    return {photo: {name: each[name][place] for name in names} for place, photo in enumerate(references)}


def _worst(scores: Mapping[PhotoId, Mapping[str, float]], photos: Iterable[PhotoId]) -> set[PhotoId]:
    """The photos that the page will show."""
    return set(sorted(photos, key=lambda photo: scores.get(photo, {}).get("CIDEr-D", float("inf")))[:MOST])
