"""What a request may ask for, and what it gets.

Requests share the trained model and nothing else: each has a search, a deadline and results of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from captioner.captioner import Captioner
from captioner.commands.caption.photos import Found
from captioner.commands.serve.choices import make_search
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.search import Search
from captioner.search.limits import Limits
from captioner.search.steps import BeamState, Continuations
from captioner.visualize.drawing import Drawing
from captioner.visualize.page import PageItem, caption_page
from captioner.visualize.sheet import sheet

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
Tick = Callable[[int, int], None]
"""Told how many photos are done, of how many."""


@dataclass(frozen=True)
class Allowed:
    """What one request may ask for."""

    photos: int = 16
    megabytes: int = 20  # of one file
    megapixels: int = 40  # of one photo
    seconds: float = 60  # for all of its photos together; no word is decoded after that


@dataclass(frozen=True)
class Answer:
    """What a request gets."""

    found: Found
    page: str  # empty where no photo could be captioned
    sheets: list[Drawing]  # one for each photo found
    problems: list[str]  # a sentence for each photo that has no caption


class _TimeIsUp(Exception):
    pass


@dataclass(frozen=True)
class _InTime:
    """A search that looks at the clock before every word."""

    search: Search
    deadline: float  # of time.monotonic()

    @property
    def limits(self) -> Limits:
        return self.search.limits

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        if time.monotonic() > self.deadline:
            raise _TimeIsUp
        return self.search.choose(log_probs, state)


@dataclass(frozen=True)
class Service:
    """A trained model that answers requests, from several threads at once."""

    run: Path
    captioner: Captioner
    allowed: Allowed = Allowed()

    @property
    def name(self) -> str:
        """The run's folder by itself: where this machine keeps files is nobody's business."""
        return self.run.resolve().name

    def answer(self, photos: Sequence[Path], choices: Mapping[str, Any], tick: Tick = lambda *_: None) -> Answer:
        """Captions of photos, decoded as chosen. A photo that cannot be read is named and left out.

        Raises:
            UserError: no photo, or too many, or choices that do not go together.
        """
        if not 0 < len(photos) <= self.allowed.photos:
            raise UserError(f"give 1 to {self.allowed.photos} photos at a time, got {len(photos)}")
        deadline = time.monotonic() + self.allowed.seconds
        search = make_search(self.run, self.captioner.vocabulary, choices)
        request = _Request(self.captioner.with_search(_InTime(search, deadline)), self.allowed, tick)
        items = request.items(photos)
        first = next(items, None)
        page = "" if first is None else caption_page(chain([first], items))
        return Answer(request.found, page, request.sheets, request.problems)


class _Request:
    """One request on its way: what has been found so far."""

    def __init__(self, captioner: Captioner, allowed: Allowed, tick: Tick):
        self.captioner, self.allowed, self.tick = captioner, allowed, tick
        self.found: Found = []
        self.sheets: list[Drawing] = []
        self.problems: list[str] = []

    def items(self, photos: Sequence[Path]) -> Iterator[PageItem]:
        """Each photo with its captions; at most two photos are in memory, the first and the one at hand."""
        for done, path in enumerate(photos):
            self.tick(done, len(photos))
            try:
                photo = open_upload(path, self.allowed)
                captions = self.captioner.candidates(photo)
            except UserError as error:
                self.problems.append(str(error))
            except _TimeIsUp:
                self.problems.append(
                    f"{self.allowed.seconds:g} seconds are over, and {len(photos) - done} of {len(photos)} photos have no caption; "
                    "give fewer at a time, or fewer beams"
                )
                return
            else:
                self.found.append((Path(path.name), captions))
                self.sheets.append(sheet(photo, captions[0], name=path.name))
                yield PageItem(photo, captions[0], path.name, captions)


def open_upload(path: Path, allowed: Allowed) -> Image.Image:
    """A photo that somebody sent; how large it is is checked before it is decoded.

    Raises:
        UserError: it is not a photo, or is too large; the message calls it by its name, not by its place on this machine.
    """
    size = path.stat().st_size if path.exists() else None
    if size is None:
        raise UserError(f"{path.name} is no longer here; give it again")
    if size == 0:
        raise UserError(f"{path.name} is empty: 0 bytes; give a photo")
    if size > allowed.megabytes * 2**20:
        raise UserError(
            f"{path.name} has {size / 2**20:,.0f} MB, at most {allowed.megabytes} are taken; make it smaller first"
        )
    try:
        return open_photo(path, FORMATS, allowed.megapixels * 1_000_000)
    except UserError as error:
        raise UserError(str(error).replace(str(path), path.name)) from error
