"""Any model's captions, in COCO's result format, judged as COCO's own tool judges them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import metrics
from captioner.commands.evaluate.run_protocol import SPACED
from captioner.commands.evaluate.system import Judged
from captioner.data.coco import read_file_names, read_references, read_results
from captioner.data.instances import read_instances
from captioner.errors import UserError
from captioner.metrics import ClipScorer, Protocol, SystemScorer
from captioner.metrics.scores import Captions, PhotoId, References, check_common
from captioner.progress import Report, silent
from captioner.training.distributed import choose_device


@dataclass(frozen=True)
class Scored(Judged):
    """Result files and what they are worth; the first is the one that was asked for."""

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
) -> Scored:
    """Score a file in COCO's result format against a captions file.

    Args:
        train: a captions file of training, for a baseline and the share of new captions.
        tokens: what cuts captions into words.
        against: another result file, to compare with photo by photo.
        instances: a file of the photos' objects, for CHAIR.
        subset: score the photos that every file has captioned, and no others; document frequencies are those of their references.
        java: whether to score METEOR and SPICE where they can run.
        clip: a CLIP model's folder, or its name in the cache of transformers, for CLIPScore, which needs the folder `photos`.

    Raises:
        UserError: a file is not as COCO has it, or captions and references are not of the same images.
    """
    files = [results, *([] if against is None else [against])]
    systems, references = dict(zip(_names(files), map(read_results, files), strict=True)), read_references(captions)
    if subset:
        systems, references = _captioned(systems, references)
    for name, written in systems.items():
        _check_missing(name, written, references)
    seen = None if train is None else read_references(train)
    objects = None if instances is None else read_instances(instances)
    seer = None if clip is None else _clip_scorer(clip, captions, photos, references, report)
    judge = SystemScorer(references, tokens, seen, objects, seer)
    worths = {name: judge(written, java=java) for name, written in systems.items()}
    scorers = metrics.scorers(next(iter(worths.values())).scores, "" if seer is None else seer.clip.source)
    if seen is not None:
        most_frequent = metrics.most_frequent_caption(seen, tokens)
        worths[metrics.MOST_FREQUENT] = judge(dict.fromkeys(references, most_frequent))
    split = captions.name + (", captioned photos alone" if subset else "")
    protocol = Protocol(
        split, len(references), metrics.count_references(references), tokens, "as given", scorers=scorers
    )
    return Scored(list(systems), systems, worths, protocol, references)


def _clip_scorer(clip: str, captions: Path, photos: Path | None, references: References, report: Report) -> ClipScorer:
    if photos is None:
        raise UserError("--clip looks at the photos, got no --photos; give --photos FOLDER too")
    paths = {photo: photos / name for photo, name in read_file_names(captions).items()}
    return ClipScorer(metrics.load_clip(clip, choose_device(), report), paths, references)


def _names(files: Sequence[Path]) -> list[str]:
    """What tells the files apart: their paths, less the folders that they share."""
    if len({path.resolve() for path in files}) < len(files):
        raise UserError(f"--against needs another result file, got {files[0]} twice")
    shared = os.path.commonpath([path.resolve().parent for path in files])
    return [path.resolve().relative_to(shared).as_posix() for path in files]


def _captioned(
    systems: dict[str, dict[PhotoId, str]], references: References
) -> tuple[dict[str, dict[PhotoId, str]], dict[PhotoId, list[str]]]:
    """Captions and references of the photos that all have captioned; captions of photos without references stay, to be complained about."""
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
            "caption them, or give --subset to score the captioned photos alone"
        )
