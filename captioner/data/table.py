"""Captions in a table: text with commas, semicolons, tabs or bars between the values, or JSON lines.

Kaggle's Flickr8k is such a table: `captions.txt` with the header `image,caption`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from captioner.data.contract import Example, Splits, clean, data_folder, read_text
from captioner.errors import UserError
from captioner.ranges import Count, Fraction
from captioner.readers import parse_json_lines

_DELIMITERS = ("\t", ",", ";", "|")
_JSON_LINES = {".jsonl", ".ndjson"}
_FILE_NAME = re.compile(r"[^\n]*\S\.\w{2,5}")


def table(
    root: str,
    captions: str = "captions.csv",
    images: str = "images",
    val_share: Fraction = 0.1,
    test_share: Fraction = 0.1,
    split_seed: Count = 0,
) -> Splits:
    """A table of captions, such as a CSV file, with the splits of its column `split`, or else with random splits.

    Columns: `image`, the file name below `images`; `caption`, or `captions`, a list, in JSON lines; `split` (train, val or test), if
    any. Lines with the same image are captions of one photo, whose id is that name.

    Args:
        root: folder of the data.
        captions: table, below `root`, with commas, semicolons, tabs or bars, as its header has them; or .jsonl with one JSON object per
            line.
        images: folder of the photos, below `root`.
        val_share: share of validation photos, if the table has no splits.
        test_share: share of test photos, if the table has no splits.
        split_seed: seed of the random splits.

    Raises:
        UserError: a file is missing, or a line is incomplete.
    """
    folder = data_folder(root)
    path = folder / captions
    references: dict[str, list[str]] = {}
    split_of: dict[str, str] = {}
    for number, row in _rows(path):
        image, texts = _read_row(path, number, row)
        references.setdefault(image, []).extend(clean(text) for text in texts)
        if row.get("split"):
            _note_split(split_of, image, row["split"], path, number)
    if not references:
        raise UserError(f"{path} should hold captions, got none; check data.captions")
    if split_of and len(split_of) < len(references):
        bare = next(image for image in references if image not in split_of)
        raise UserError(f"{path}: either every photo has a split or none has, got none for {bare}")
    split_of = split_of or _random_splits(list(references), val_share, test_share, split_seed)
    splits: Splits = {"train": [], "val": [], "test": []}
    for image, texts in references.items():
        splits[split_of[image]].append(Example(image, folder / images / image, texts))
    return splits


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The number of each line, and its values by column."""
    text = read_text(path, "data.root and data.captions")
    if path.suffix in _JSON_LINES:
        yield from parse_json_lines(text, path, "check data.captions")
        return
    yield from _separated(path, text)


def _separated(path: Path, text: str) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """The number of each row's first line, and its values by column."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    names: list[str] = []
    start = 1
    try:
        for values in reader:
            if not values:
                pass
            elif not names:
                names = _header(path, values)
            else:
                _check_quotes(path, names, values, start, reader)
                row: dict[Any, Any] = dict(zip_longest(names, values[: len(names)]))
                yield start, row | ({None: values[len(names) :]} if len(values) > len(names) else {})
            start = reader.line_num + 1
    except csv.Error as error:
        raise _unbalanced(path, start, reader.line_num, str(error)) from error
    if not names:
        _header(path, [])


def _delimiter(text: str) -> str:
    """The delimiter that cuts the header into the most columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _header(path: Path, values: list[str]) -> list[str]:
    names = [name.strip() for name in values]
    if not {"image", "caption"} <= set(names):
        raise UserError(
            f"{path} should start with a header that names the columns image and caption, got {', '.join(names) or 'nothing'}; "
            "rename its columns, or put the line image,caption first where there is no header"
        )
    return names


def _check_quotes(path: Path, names: list[str], values: list[str], start: int, reader: Any) -> None:
    """Refuse a value over several lines that holds a row of its own: a quote mark is missing or superfluous before it."""
    column = names.index("image")
    for value in values:
        for line in value.splitlines()[1:]:
            cells = line.split(reader.dialect.delimiter)
            if len(cells) > column and _FILE_NAME.fullmatch(cells[column].strip(' "')):
                raise _unbalanced(path, start, reader.line_num, f"it holds the row {line[:60]!r}")


def _unbalanced(path: Path, start: int, end: int, why: str) -> UserError:
    lines = f"line {start}" if end <= start else f"lines {start} to {end}"
    return UserError(
        f"{path}, {lines}: the value that starts with a quote mark in line {start} should end with one, but does not ({why}); close it, or "
        "remove the quote mark. A quote mark inside a quoted caption is written twice"
    )


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


def _random_splits(images: list[str], val_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Random splits, which depend on names and seed alone, not on the order of the table.

    Photos are sorted by the digest of their names: the first are for validation, the last for test. If the table grows, few photos move.
    """
    if val_share + test_share >= 1:
        raise UserError(f"val_share and test_share leave no photos for training: {val_share} + {test_share}")
    shuffled = sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image}".encode()).digest())
    num_val, num_test = (max(1, round(len(images) * share)) if share else 0 for share in (val_share, test_share))
    return {
        image: "val" if index < num_val else "test" if index >= len(shuffled) - num_test else "train"
        for index, image in enumerate(shuffled)
    }
