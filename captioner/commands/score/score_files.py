"""Captions of any model, in COCO's result format, scored as by COCO's own tool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import metrics
from captioner.commands.evaluate.run_protocol import SPACED
from captioner.commands.evaluate.system import ScoredSystems
from captioner.data.coco import read_file_names, read_references, read_results
from captioner.data.instances import read_instances
from captioner.errors import UserError
from captioner.metrics import ClipScorer, Protocol, SystemScorer
from captioner.metrics.coco_scores import Captions, PhotoId, References, check_common
from captioner.progress import Report, silent
from captioner.training.distributed import choose_device


@dataclass(frozen=True)
class ScoredFiles(ScoredSystems):
    """Result files with their scores; the first is the one to be scored, the second the one it is compared with."""

    references: dict[PhotoId, list[str]]


def score_files(
    results: Path,
    captions: Path,
    train: Path | None = None,
    tokens: str = SPACED,
    against: Path | None = None,
    instances: Path | None = None,
    subset: bool = False,
    java: bool = True,
    clip: str | None = None,
    photos: Path | None = None,
    report: Report = silent,
) -> ScoredFiles:
    """Score a file in COCO's result format against a captions file.

    Args:
        captions: the captions file with the references.
        train: the captions file of the training split, for a baseline and the share of new captions.
        tokens: the tokeniser for scoring.
        against: another result file, to compare with photo by photo.
        instances: the instances file, for CHAIR.
        subset: score only the photos that every file captions; document frequencies come from their references.
        java: score METEOR and SPICE if they can run.
        clip: a CLIP model's folder, or its name in the cache of transformers, for CLIPScore; needs `photos`.
        photos: the folder of photos.

    Raises:
        UserError: a file is not in COCO's format, or captions and references belong to different images.
    """
    files = [results, *([] if against is None else [against])]
    systems, references = dict(zip(_names(files), map(read_results, files), strict=True)), read_references(captions)
    if subset:
        systems, references = _captioned_by_all(systems, references)
    for name, written in systems.items():
        _check_missing(name, written, references)
    train_references = None if train is None else read_references(train)
    objects = None if instances is None else read_instances(instances)
    clip_scorer = None if clip is None else _clip_scorer(clip, captions, photos, references, report)
    scorer = SystemScorer(references, tokens, train_references, objects, clip_scorer)
    scores = {name: scorer(written, java=java) for name, written in systems.items()}
    scorers = metrics.scorers(
        next(iter(scores.values())).scores, "" if clip_scorer is None else clip_scorer.clip.source
    )
    if train_references is not None:
        most_frequent = metrics.most_frequent_caption(train_references, tokens)
        scores[metrics.MOST_FREQUENT] = scorer(dict.fromkeys(references, most_frequent))
    split = captions.name + (", captioned photos only" if subset else "")
    num_references = metrics.count_references(references)
    protocol = Protocol(split, len(references), num_references, tokens, "as given", scorers=scorers)
    return ScoredFiles(list(systems), systems, scores, protocol, references)


def _clip_scorer(clip: str, captions: Path, photos: Path | None, references: References, report: Report) -> ClipScorer:
    if photos is None:
        raise UserError("--clip needs the photos, got no --photos; give --photos FOLDER too")
    paths = {photo: photos / name for photo, name in read_file_names(captions).items()}
    unnamed = [photo for photo in references if photo not in paths]
    if unnamed:
        raise UserError(
            f"--clip needs the file_name of every image of {captions}, got {len(unnamed)} without, first id {unnamed[0]!r}; add them"
        )
    return ClipScorer(metrics.load_clip(clip, choose_device(), report), paths, references)


def _names(files: Sequence[Path]) -> list[str]:
    """A name for each file: its path below the folder that they share."""
    if len({path.resolve() for path in files}) < len(files):
        raise UserError(f"--against needs another result file, got {files[0]} twice")
    shared = os.path.commonpath([path.resolve().parent for path in files])
    names = [path.resolve().relative_to(shared).as_posix() for path in files]
    if metrics.MOST_FREQUENT in names:
        raise UserError(f"{metrics.MOST_FREQUENT!r} is the name of a baseline; give the result file another name")
    return names


def _captioned_by_all(
    systems: dict[str, dict[PhotoId, str]], references: References
) -> tuple[dict[str, dict[PhotoId, str]], dict[PhotoId, list[str]]]:
    """Captions and references of the photos that every file captions; captions without references stay, for `check_common` to refuse."""
    kept = {
        photo: list(texts)
        for photo, texts in references.items()
        if all(photo in written for written in systems.values())
    }
    if not kept:
        raise UserError("no photo with references is captioned in every result file; are these the right references?")
    return {
        name: {photo: text for photo, text in written.items() if photo in kept or photo not in references}
        for name, written in systems.items()
    }, kept


def _check_missing(name: str, written: Captions, references: References) -> None:
    check_common(name, written, references)
    missing = [photo for photo in references if photo not in written]
    if missing and len(missing) < len(references):
        raise UserError(
            f"{name}: every photo with references needs a caption, {len(missing)} of {len(references)} have none (first: {missing[0]!r}); "
            "caption them, or give --subset to score only the captioned photos"
        )
