"""Captions in a table: CSV, tab-separated, or JSON lines; one line for each caption, or for each photo with several.

Kaggle's Flickr8k is such a table: `captions.txt` with the header `image,caption`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from captioner.data.contract import Example, Splits, clean, data_folder, read_text
from captioner.errors import UserError
from captioner.ranges import Count, Fraction

_DELIMITERS = {".tsv": "\t", ".tab": "\t"}
_JSON_LINES = {".jsonl", ".ndjson"}


def table(
    root: str,
    captions: str = "captions.csv",
    images: str = "images",
    val_share: Fraction = 0.1,
    test_share: Fraction = 0.1,
    split_seed: Count = 0,
) -> Splits:
    """The table's own splits where it has a column `split` (train, val, test); else photos are dealt out by seed and name.

    Columns: `image`, the file's name below `images`; `caption`, or in JSON lines also `captions`, a list; `split`, if any. Lines with the
    same image are one photo, whose id is that name.

    Args:
        root: the folder that holds everything.
        captions: the table, below `root`; .csv or .txt with commas, .tsv with tabs, .jsonl with one json object a line.
        images: the folder of photos, below `root`.
        val_share: share of the photos to validate on, where the table has no splits.
        test_share: share to test on.
        split_seed: another deals them out otherwise.

    Raises:
        UserError: something is not there, or a line lacks what it needs.
    """
    folder = data_folder(root)
    path = folder / captions
    references: dict[str, list[str]] = {}
    split_of: dict[str, str] = {}
    for place, row in _rows(path):
        image, texts = _read_row(path, place, row)
        references.setdefault(image, []).extend(clean(text) for text in texts)
        if row.get("split"):
            _note_split(split_of, image, row["split"], path, place)
    if not references:
        raise UserError(f"{path} should hold captions, got none; check data.captions")
    if split_of and len(split_of) < len(references):
        bare = next(image for image in references if image not in split_of)
        raise UserError(f"{path}: either every photo has a split or none has, got none for {bare}")
    split_of = split_of or _deal(list(references), val_share, test_share, split_seed)
    splits: Splits = {"train": [], "val": [], "test": []}
    for image, texts in references.items():
        splits[split_of[image]].append(Example(image, folder / images / image, texts))
    return splits


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each line's number and its values by the name of their column."""
    text = read_text(path, "data.root and data.captions")
    if path.suffix in _JSON_LINES:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, _json_row(path, number, line)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_DELIMITERS.get(path.suffix, ","))
    names = [(name or "").strip() for name in reader.fieldnames or []]
    if not {"image", "caption"} <= set(names):
        raise UserError(
            f"{path} should start with a header that names the columns image and caption, got {', '.join(names) or 'nothing'}; "
            "rename its columns, or put the line image,caption first where there is no header"
        )
    reader.fieldnames = names
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a table ({error})") from error


def _json_row(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: should be a json object, but reading it failed ({error})") from error
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: should be a json object, got {line[:100]!r}")
    return row


def _read_row(path: Path, number: int, row: Mapping[str, Any]) -> tuple[str, list[str]]:
    image, texts = row.get("image"), row.get("captions", row.get("caption"))
    texts = [texts] if isinstance(texts, str) else texts
    if not (isinstance(image, str) and image.strip() and isinstance(texts, list)) or None in row:
        raise UserError(
            f"{path}, line {number}: should have an image and a caption, got {str(dict(row))[:200]}; "
            "quote captions that hold the delimiter"
        )
    if not all(isinstance(text, str) for text in texts):
        raise UserError(f"{path}, line {number}: captions should be text, got {str(texts)[:200]}")
    return image.strip(), texts


def _note_split(split_of: dict[str, str], image: str, split: str, path: Path, number: int) -> None:
    if split not in ("train", "val", "test"):
        raise UserError(f"{path}, line {number}: split should be train, val or test, got {split!r}")
    if split_of.setdefault(image, split) != split:
        raise UserError(f"{path}, line {number}: {image} is in {split_of[image]} and in {split}; a photo has one split")


def _deal(images: list[str], val_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Which split each photo goes to: depends on the names and the seed alone, not on the table's order.

    Photos stand in the order of their names' digests: the first validate, the last test. A table that grows moves few of them.
    """
    if val_share + test_share >= 1:
        raise UserError(f"val_share and test_share leave nothing to train on: {val_share} + {test_share}")
    dealt = sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image}".encode()).digest())
    num_val, num_test = (max(1, round(len(images) * share)) if share else 0 for share in (val_share, test_share))
    return {
        image: "val" if place < num_val else "test" if place >= len(dealt) - num_test else "train"
        for place, image in enumerate(dealt)
    }
