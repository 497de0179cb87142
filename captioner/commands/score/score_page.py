"""The HTML page of scored result files: tables, then every photo with its caption, references and scores, worst first."""

from __future__ import annotations

import os
from pathlib import Path

from captioner.commands.evaluate.pages import scores_by_photo, scores_page, worst_photos
from captioner.commands.evaluate.report import Entry
from captioner.commands.score.score_files import ScoredFiles
from captioner.data.coco import read_file_names
from captioner.files import write_text_atomically


def save_page_of_files(path: Path, scored: ScoredFiles, captions: Path, photos: Path | None) -> None:
    """Write the first file's captions as a page.

    Args:
        path: of the page.
        scored: one or two files.
        captions: the captions file, for the photos' names.
        photos: the folder of photos; photos that are not in it are shown as text only.
    """
    (name, written), *others = scored.systems.items()
    scores = scores_by_photo(written, scored.references, scored.protocol.tokens)
    if others:
        ((other_name, other_captions),) = others
        other_scores = scores_by_photo(other_captions, scored.references, scored.protocol.tokens)
        for photo, own in scores.items():
            own[f"CIDEr-D minus that of {other_name}"] = own["CIDEr-D"] - other_scores[photo]["CIDEr-D"]
    file_names, shown = read_file_names(captions), worst_photos(scores, list(scored.references))
    entries = []
    for photo, references in scored.references.items():
        name_of_photo = file_names.get(photo, str(photo))
        image = photos / name_of_photo if photos is not None and photo in shown else None
        image = image if image is not None and os.path.isfile(image) else None
        entries.append(Entry(image, name_of_photo, written[photo], references, scores[photo]))
    write_text_atomically(path, scores_page(entries, scored, name))
