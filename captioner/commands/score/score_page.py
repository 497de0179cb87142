"""The page of scored result files: the tables, then every photo with its caption, references and scores, worst first."""

from __future__ import annotations

from pathlib import Path

from captioner.commands.evaluate.pages import scores_by_photo, scores_page, worst_photos
from captioner.commands.evaluate.report import Entry
from captioner.commands.score.score_files import Scored
from captioner.data.coco import read_file_names
from captioner.files import write_text_atomically


def save_page_of_files(path: Path, scored: Scored, captions: Path, photos: Path | None) -> None:
    """Write the first file's captions as a page.

    Args:
        captions: the captions file, for the photos' names.
        photos: the folder of photos; without it, or where it lacks one, texts alone are shown.
    """
    (name, written), *others = scored.systems.items()
    scores = scores_by_photo(written, scored.references, scored.protocol.tokens)
    if others:
        (other,) = others
        theirs = scores_by_photo(other[1], scored.references, scored.protocol.tokens)
        for photo, own in scores.items():
            own[f"CIDEr-D less {other[0]}'s"] = own["CIDEr-D"] - theirs[photo]["CIDEr-D"]
    names, shown = read_file_names(captions), worst_photos(scores, list(scored.references))
    entries = []
    for number, references in scored.references.items():
        photo = photos / names[number] if photos is not None and number in shown else None
        there = photo if photo is not None and photo.is_file() else None
        entries.append(Entry(there, names[number], written[number], references, scores[number]))
    write_text_atomically(path, scores_page(entries, scored, name))
