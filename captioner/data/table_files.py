"""Rows of a table of captions, in the formats that people have: delimited text, JSON lines, a JSON list, and text beside photos."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten
from typing import Any

from captioner.data.contract import file_name, read_json, read_text
from captioner.errors import UserError
from captioner.progress import print_note
from captioner.readers import parse_json_lines
from captioner.readers.texts import parse_texts

Row = tuple[str, Mapping[str, Any]]
"""The place of a row, such as `captions.csv, line 2`, and its values by column."""
COLUMNS = {
    "image": ("image", "file_name", "filename", "image_name", "image_path", "image_id"),
    "caption": ("caption", "captions", "text", "comment", "sentences"),
    "split": ("split",),
}
"""The usual names of the columns, in lower case."""
_DELIMITERS = "\t,;|"
_FILE_NAME = re.compile(r"[^\n]*\S\.\w{2,5}")
_JSON_LINES = (".jsonl", ".ndjson")


def rows(path: Path, photos: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a table; image, caption and split, if it has them, have these names.

    Args:
        path: the table.
        photos: folder of the photos.
        columns: the table's own names of the columns, by these names.

    Raises:
        UserError: the file cannot be read as its ending says, or lacks a column.
    """
    ending = path.suffix.lower()
    if ending in _JSON_LINES:
        text = read_text(path, "data.root and data.captions")
        found = ((f"{path}, line {number}", row) for number, row in parse_json_lines(text, path, "check data.captions"))
    elif ending == ".json":
        found = _json_list(path)
    else:
        found = _delimited(path, columns)
    is_delimited = ending not in (*_JSON_LINES, ".json")
    names: tuple[str, ...] | None = None
    own: dict[str, str] = {}
    for place, row in found:
        if tuple(row) != names:
            names = tuple(row)
            own = renamed(names, columns, place)
        values = {own[name]: value for name, value in row.items() if name in own}
        caption = values["caption"]
        if is_delimited and isinstance(caption, str) and caption.startswith("["):
            values["caption"] = parse_texts(caption)
        image = values["image"]
        yield place, {**values, "image": file_name(image, photos) if isinstance(image, str) else image}


def sidecars(photos: Path, ending: str) -> Iterator[Row]:
    """A row for each photo below a folder that has a text file of the same name beside it; each line of that file is a caption.

    Raises:
        UserError: no photo has such a file.
    """
    from captioner.data.folder import note_others, photos_in

    found, others = photos_in(photos)
    endings = (ending, ending.lower(), ending.upper())
    texts = [next(filter(os.path.exists, map(photo.with_suffix, endings)), None) for photo in found]
    beside = [(photo, text) for photo, text in zip(found, texts, strict=True) if text is not None]
    if not beside:
        raise UserError(
            f"no photo in {photos.absolute()} has a {ending} file beside it; check data.root and data.images"
        )
    if len(beside) < len(found):
        bare = found[texts.index(None)]
        print_note(
            f"left out of {photos}, since no {ending} file is beside them: {len(found) - len(beside):,} of {len(found):,} photos; "
            f"first {bare}"
        )
    used = set(texts)
    note_others(photos, [other for other in others if other not in used])
    for photo, text in beside:
        lines = [line for line in read_text(text, "data.captions").split("\n") if line.strip()]
        yield str(text), {"image": photo.relative_to(photos).as_posix(), "caption": lines or [""]}


def _json_list(path: Path) -> Iterator[Row]:
    content = read_json(path, "data.root and data.captions")
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else ""
        came = f"an object with {shorten(keys, 100)}" if keys else "something else"
        raise UserError(
            f"{path} should hold a list of objects with image and caption, got {came}; "
            "for COCO's captions files set data.kind=coco, for Karpathy's data.kind=karpathy"
        )
    yield from ((f"{path}, entry {number}", entry) for number, entry in enumerate(content, start=1))


def _delimited(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of delimited text; the place of a row is its first line."""
    text = read_text(path, "data.root and data.captions")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(
            f"{path} should be text, got a zero byte in line {line}, as in a spreadsheet, an archive or UTF-16; save it as CSV in UTF-8"
        )
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    image, start = 0, 1
    try:
        for values in reader:
            if values and names:
                yield f"{path}, line {start}", _row(path, names, image, values, (start, reader.line_num), delimiter)
            elif values:
                names = [name.strip() for name in values]
                own = renamed(names, columns, str(path), header=True)
                image = next(index for index, name in enumerate(names) if own.get(name) == "image")
            start = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise UserError(
                f"{path}, line {start}: a value is longer than {csv.field_size_limit():,} characters; shorten it, or close the quote mark "
                "that it starts with"
            ) from error
        raise _unbalanced(path, (start, reader.line_num), str(error)) from error
    if not names:
        renamed([], columns, str(path), header=True)


def _row(
    path: Path, names: list[str], image: int, values: list[str], lines: tuple[int, int], delimiter: str
) -> dict[str, Any]:
    """A row by column.

    Raises:
        UserError: it has too many values, or a value over several lines holds a row of its own, since a quote mark before it is missing or
            superfluous.
    """
    if len(values) > len(names):
        raise UserError(
            f"{path}, line {lines[0]}: should have {len(names)} columns, got {str(values)[:200]}; "
            "quote captions that hold the delimiter"
        )
    own = values[image] if image < len(values) else ""
    for line in [line for value in values for line in value.splitlines()[1:]]:
        cells = line.split(delimiter)
        if len(cells) > image and _is_image(cells[image].strip(' "'), own):
            raise _unbalanced(path, lines, f"it holds the row {line[:60]!r}")
    return dict(zip_longest(names, values))


def _is_image(cell: str, other: str) -> bool:
    """Is a cell a file name, or a name with a number that is composed as that of another image, such as img_17 and img_18?"""
    composed, as_other = (re.sub(r"[^\W_]+", "a", name.strip()) for name in (cell, other))
    return bool(_FILE_NAME.fullmatch(cell)) or (composed == as_other and any(map(str.isdigit, cell)))


def _unbalanced(path: Path, lines: tuple[int, int], why: str) -> UserError:
    start, end = lines
    where = f"line {start}" if end <= start else f"lines {start} to {end}"
    return UserError(
        f"{path}, {where}: the value that starts with a quote mark in line {start} should end with one, but does not ({why}); close it, or "
        "remove the quote mark. A quote mark inside a quoted caption is written twice"
    )


def renamed(names: Sequence[str], columns: Mapping[str, str], place: str, header: bool = False) -> dict[str, str]:
    """The names of columns in this program, by the table's own.

    Args:
        header: whether the names are a line of text, in which one can occur twice.

    Raises:
        UserError: there is no image or no caption, or two of one name.
    """
    own: dict[str, str] = {}
    for wanted, usual in COLUMNS.items():
        given = columns.get(wanted)
        choices = [name for name in names if name == given] if given else usual_names(names, usual)
        choices = [name for name in choices if name not in own]  # a column is one thing
        if choices:
            own[choices[0]] = wanted
            if names.count(choices[0]) > 1:
                raise UserError(
                    f"{place} should have one column {choices[0]!r}, got {names.count(choices[0])}; rename the others, or put their "
                    "captions on lines of their own"
                )
        elif given or wanted != "split":
            came = shorten(", ".join(map(str, names)), 200) or "nothing"
            which = "say which is which as in data.columns='{image: file, caption: title}'"
            if given:
                raise UserError(
                    f"{place} should have a column {given!r}, which data.columns names for {wanted}, got {came}; correct data.columns"
                )
            if not header:
                came = f"the keys {came}" if names else "no keys"
                raise UserError(f"{place}: should have an image and a caption, got {came}; rename them, or {which}")
            flickr = (
                "; for a token file of Flickr8k or Flickr30k set data.kind=flickr"
                if re.search(r"\.\w+#\d", came)
                else ""
            )
            raise UserError(
                f"{place} should start with a header that names the columns image and caption, got {came}; rename its columns, {which}, "
                f"or put the line image,caption first where there is no header{flickr}"
            )
    return own


def usual_names(names: Iterable[str], usual: tuple[str, ...]) -> list[str]:
    """Those of the names that are usual, in the order of `usual`."""
    by_name = {str(name).strip().lower(): name for name in reversed(list(names))}
    return [by_name[name] for name in usual if name in by_name]
