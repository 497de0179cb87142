"""A scored split as one HTML file: tables, then every photo with its caption, maps, references and scores, worst first.

The file is self-contained. It stays fast with a thousand photos: texts are part of the page, and a photo's thumbnail and maps are
unpacked when it comes near the screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.metrics.units import metrics_of, shown, unit_of
from captioner.progress import errors
from captioner.search.result import Caption
from captioner.visualize.maps import check_photo
from captioner.visualize.payload import as_data, caption_data, document, embedded, largest, largest_drawn

THUMBNAIL = 224
"""The longer side of a thumbnail in pixels, and how large it is shown. A natural photo is 8 to 10 kB of JPEG at the quality
below, 13 kB in the file at most on average; with maps and texts a thousand of them make 14 to 16 MB, which opens without
waiting and can still be sent to somebody."""
QUALITY = 70
CONFIDENCE = "confidence"
"""A sort key besides the scores: the geometric mean of the probabilities of a caption's words."""

Rows = Mapping[str, Mapping[str, float]]
"""Values by row and metric."""
Intervals = Mapping[str, Mapping[str, tuple[float, float]]]
"""The ends of an interval, by row and metric."""


@dataclass(frozen=True)
class Entry:
    """A photo of the split. Maps are shown if the photo and a `Caption` with its placement are there."""

    photo: str | Path | Image.Image | None  # the original, EXIF rotation applied if it is a picture
    name: str
    caption: Caption | str
    references: Sequence[str]
    scores: Mapping[str, float]  # of this photo alone, by metric, in coco-caption's own scale


def report_page(
    entries: Sequence[Entry],
    tables: Sequence[Rows],
    signature: str,
    title: str = "report",
    intervals: Intervals | None = None,
    most: int = 1000,
    notes: Sequence[str] = (),
) -> str:
    """The HTML text of the report.

    Args:
        entries: Photos with their captions. The first score of the first entry decides which photo is worst.
        tables: Each holds the model and its baselines: values by metric, in coco-caption's own scale; all metrics
            of a table have the same unit.
        signature: The protocol, in one line.
        intervals: 95 % intervals of the tables' values.
        most: The largest number of photos to show, worst first.
        notes: Notes below the tables.

    Raises:
        UserError: a photo cannot be read.
        ValueError: a photo does not fit its caption, or `most` is less than 1.
    """
    if most < 1:
        raise ValueError(f"a report shows at least 1 photo, got most={most}; 1000 is the usual")
    metrics = list(dict.fromkeys(metric for entry in entries for metric in entry.scores))
    ordered = sorted(entries, key=lambda entry: _rank(entry, metrics))[:most]
    head = _header(title, [*notes, signature], _tables(tables, intervals or {}))
    sortable = [*metrics, *([] if all(isinstance(entry.caption, str) for entry in ordered) else [CONFIDENCE]), "name"]
    tools = _tools(sortable, len(ordered), len(entries), _convention(ordered))
    articles = "".join(_article(entry, number, metrics) for number, entry in enumerate(ordered))
    return document(title, f'{head}<main>{tools}<div class="entries">{articles}</div></main>', "report")


def _rank(entry: Entry, metrics: Sequence[str]) -> float:
    """The sort key of an entry: low scores first, photos without scores last."""
    score = entry.scores.get(metrics[0], math.inf) if metrics else 0.0
    return math.inf if math.isnan(score) else score


def _header(title: str, notes: Sequence[str], tables: str) -> str:
    below = "".join(f'<p class="faint">{escape(note)}</p>' for note in notes)
    return f'<header><h1 dir="auto">{escape(title)}</h1>{tables}{below}</header>'


def _tables(tables: Sequence[Rows], intervals: Intervals) -> str:
    if not any(any(rows.values()) for rows in tables):
        return '<p class="faint">this split has no references: captions were not scored</p>'
    return "".join(_table(rows, intervals) for rows in tables)


def _table(rows: Rows, intervals: Intervals) -> str:
    metrics = metrics_of(rows)
    head = "".join(f'<th scope="col">{escape(metric)}</th>' for metric in metrics)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(row, metric, intervals.get(name, {}).get(metric)) for metric in metrics)
        + "</tr>"
        for name, row in rows.items()
    )
    said = unit_of(metrics) + (", with 95 % intervals" if any(intervals.values()) else "")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="scores"><table style="--lines:{len(metrics) + 1}">'
        f'<thead><tr><th scope="col">{said}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(row: Mapping[str, float], metric: str, interval: tuple[float, float] | None) -> str:
    if metric not in row:
        return "<td>-</td>"
    ends = [shown(end, metric) for end in interval or ()]
    return f"<td>{shown(row[metric], metric)}{f'<small>{ends[0]} to {ends[1]}</small>' if ends else ''}</td>"


def _convention(entries: Sequence[Entry]) -> str:
    """Whether the decoder attends before or after reading the previous word; one sentence for all photos."""
    attend = {entry.caption.attend for entry in entries if isinstance(entry.caption, Caption) and _has_maps(entry)}
    return f"The decoder attended {' or '.join(sorted(attend))} reading the previous word." if attend else ""


def _tools(sortable: Sequence[str], shown: int, total: int, convention: str) -> str:
    options = "".join(f"<option>{escape(name)}</option>" for name in sortable)
    among = f"the worst {shown:,} of {total:,} photos" if shown < total else f"{total:,} photos"
    hint = (
        "Point at a word, tap it, or use the arrow keys to see where the decoder attended for it. "
        if convention
        else ""
    )
    look = '<div class="look" role="group" aria-label="maps"></div>' if convention else ""
    return (
        f'<div class="tools"><label>sort by <select id="sort">{options}</select></label>'
        '<label><input type="checkbox" id="descending"> highest first</label>'
        '<label class="search">filter <input type="search" id="filter" placeholder="words of name, caption, references"></label>'
        f'<output id="count" aria-live="polite" data-among="{among}">{among}</output></div>'
        f'<p class="faint">{hint}{convention}</p>{look}'
    )


def _has_maps(entry: Entry) -> bool:
    caption = entry.caption
    return (
        isinstance(caption, Caption)
        and entry.photo is not None
        and caption.weights is not None
        and caption.placement is not None
    )


def _article(entry: Entry, number: int, metrics: Sequence[str]) -> str:
    """A photo's part of the report: readable without scripts, with data for the script."""
    caption = entry.caption
    text = escape((caption if isinstance(caption, str) else caption.text) or "(a caption without words)")
    references = "".join(f'<li lang="" dir="auto">{escape(reference)}</li>' for reference in entry.references)
    scores = "".join(
        f"<li>{escape(metric)} <b>{shown(entry.scores[metric], metric)}</b></li>"
        for metric in metrics
        if metric in entry.scores
    )
    return (
        f'<article class="entry" aria-labelledby="entry-{number}"><h2 id="entry-{number}" dir="auto">{escape(entry.name)}</h2>'
        f'<div class="view"><div class="stage"></div><p class="sentence" lang="" dir="auto">{text}</p></div>'
        f'<ul class="scores">{scores}</ul><ul class="references" aria-label="references">{references}</ul>'
        f"{embedded(_data(entry, metrics))}</article>"
    )


def _data(entry: Entry, metrics: Sequence[str]) -> dict[str, Any]:
    """The data of a photo for the script; `sort` holds the sort keys."""
    scores = [entry.scores.get(metric) for metric in metrics]
    sort = [score if score is not None and math.isfinite(score) else None for score in scores]
    if isinstance(entry.caption, str):
        return {"sort": sort, "captions": [], **_thumbnail_if_readable(entry)}
    caption = entry.caption if entry.photo is not None else replace(entry.caption, weights=None)
    unit = largest(caption.weights) or 1.0
    return {
        "sort": [*sort, caption.confidence],
        "captions": [caption_data(caption, (unit, 1.0), with_heads=False, levels=255)],
        "top": largest_drawn(caption, caption.weights) or 1.0,
        **_thumbnail(entry),
    }


def _thumbnail_if_readable(entry: Entry) -> dict[str, Any]:
    """The photo's thumbnail; nothing, and a line that says so, if it cannot be read."""
    try:
        return _thumbnail(entry)
    except UserError as error:
        errors.print(f"shown without its photo: {error}", soft_wrap=True)
        return {}


def _thumbnail(entry: Entry) -> dict[str, Any]:
    if entry.photo is None:
        return {}
    photo = entry.photo if isinstance(entry.photo, Image.Image) else open_photo(entry.photo)
    if isinstance(entry.caption, Caption) and _has_maps(entry):
        check_photo(photo, entry.caption)
    factor = min(1.0, THUMBNAIL / max(photo.size))
    size = max(1, round(photo.width * factor)), max(1, round(photo.height * factor))
    small = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0) if factor < 1 else photo
    return {"photo": as_data(small, QUALITY), "aspect": round(photo.width / photo.height, 5)}
