"""Limits of a request, and its answer.

Requests share only the trained model: each has its own search, deadline and results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from captioner.captioner import Captioner
from captioner.commands.caption.photo_pages import item_of
from captioner.commands.caption.photos import Captioned
from captioner.commands.serve.choices import make_search
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.explain.gradients import has_captum
from captioner.explain.posterior import has_posterior
from captioner.model import CaptionModel
from captioner.search import Search
from captioner.search.hypotheses import SearchHistory
from captioner.search.limits import Limits
from captioner.search.steps import BeamState, Continuations
from captioner.visualize.drawing import Drawing
from captioner.visualize.page import PageItem, caption_page
from captioner.visualize.sheet import sheet
from captioner.visualize.strips import side_by_side

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
Tick = Callable[[int, int], None]
"""Called with the number of photos done, and of all."""


@dataclass(frozen=True)
class Allowed:
    """The limits of one request."""

    photos: int = 16
    megabytes: int = 20  # per file
    megapixels: int = 40  # per photo
    seconds: float = 60  # for all photos together; decoding stops then


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    captioned: Captioned  # by the first model
    page: str  # empty if no photo could be captioned
    sheets: list[Drawing]  # one for each captioned photo
    problems: list[str]  # one message for each photo without a caption


class _TimeIsUp(Exception):
    pass


class Running:
    """The requests in progress."""

    def __init__(self) -> None:
        self.stopping = False
        self._number, self._changed = 0, threading.Condition()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        with self._changed:
            self._number += 1
        try:
            yield
        finally:
            with self._changed:
                self._number -= 1
                self._changed.notify_all()

    def stop(self, seconds: float) -> None:
        """Let all requests end at their next word, and wait for them: Python must not end while they compute."""
        self.stopping = True
        with self._changed:
            self._changed.wait_for(lambda: not self._number, seconds)


@dataclass(frozen=True)
class _InTime(Search):
    """A search that checks the deadline, and whether the program stops, before every word."""

    search: Search
    deadline: float  # of time.monotonic()
    running: Running = field(default_factory=Running)

    @property
    def limits(self) -> Limits:
        return self.search.limits

    @property
    def independent(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.search.independent

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        if self.running.stopping or time.monotonic() > self.deadline:
            raise _TimeIsUp
        return self.search.choose(log_probs, state)

    def rank(self, history: SearchHistory, scores: Tensor, ranks: Tensor) -> Tensor:
        return self.search.rank(history, scores, ranks)


@dataclass(frozen=True)
class Service:
    """A trained model that answers requests, from several threads at once."""

    run: Path
    captioner: Captioner
    allowed: Allowed = Allowed()
    beside: Sequence[Service] = ()  # other models, shown beside this one
    running: Running = field(default_factory=Running)

    @property
    def name(self) -> str:
        """The name of the run folder, without its path, which stays private."""
        return self.run.resolve().name

    def answer(
        self,
        photos: Sequence[Path],
        choices: Mapping[str, Any],
        tick: Tick = lambda *_: None,
        gradients: bool = False,
        posterior: bool = True,
    ) -> Answer:
        """Caption photos with these decoding options. Photos that cannot be read are named and skipped.

        Args:
            photos: files.
            choices: decoding options, by name.
            tick: called before each photo.
            gradients: explain the words of each caption by gradients too.
            posterior: show attention given the word too, of models that have it.

        Raises:
            UserError: there are no photos or too many, or the options contradict each other.
        """
        if not 0 < len(photos) <= self.allowed.photos:
            raise UserError(f"give 1 to {self.allowed.photos} photos at a time, got {len(photos)}")
        deadline = time.monotonic() + self.allowed.seconds
        models: dict[str, Captioner] = {}
        for service in [self, *self.beside]:
            name = service.name if service.name not in models else f"{service.name} {len(models) + 1}"
            search = make_search(service.run, service.captioner.vocabulary, choices)
            models[name] = service.captioner.with_search(_InTime(search, deadline, self.running))
        request = _Request(models, self.allowed, tick, gradients, posterior)
        with self.running.one_more():
            items = request.items(photos)
            first = next(items, None)
            page = "" if first is None else caption_page(chain([first], items), inside=True)
        return Answer(request.captioned, page, request.sheets, request.problems)


class _Request:
    """A request in progress, with its results so far."""

    def __init__(self, models: Mapping[str, Captioner], allowed: Allowed, tick: Tick, gradients: bool, posterior: bool):
        self.models, self.allowed, self.tick = models, allowed, tick
        self.gradients, self.posterior = gradients, posterior
        self.captioned: Captioned = []
        self.sheets: list[Drawing] = []
        self.problems: list[str] = []

    def items(self, photos: Sequence[Path]) -> Iterator[PageItem]:
        """Each photo with its captions; at most two photos are in memory, the first and the current one."""
        for done, path in enumerate(photos):
            self.tick(done, len(photos))
            try:
                photo = open_upload(path, self.allowed)
                items = [
                    item_of(
                        captioner, photo, captioner.candidates(photo), path.name, self._explain(captioner), model=name
                    )
                    for name, captioner in self.models.items()
                ]
            except UserError as error:
                self.problems.append(str(error))
            except _TimeIsUp:
                self.problems.append(
                    f"{self.allowed.seconds:g} seconds are over, and {len(photos) - done} of {len(photos)} photos have no caption; "
                    "give fewer at a time, or fewer beams"
                )
                return
            else:
                self.captioned.append((Path(path.name), list(items[0].candidates)))
                self.sheets.append(_sheet(items))
                yield replace(items[0], beside=items[1:])

    def _explain(self, captioner: Captioner) -> list[str]:
        """What is shown of each word besides attention."""
        if self.gradients and has_captum():
            return ["all"]
        assert isinstance(captioner.model, CaptionModel)  # a run, no ensemble
        posterior = self.posterior and has_posterior(captioner.model)
        return ["posterior"] * posterior + ["both"] * self.gradients


def _sheet(items: Sequence[PageItem]) -> Drawing:
    first = items[0]
    if len(items) == 1:
        return sheet(first.photo, first.caption, name=first.name)
    return side_by_side(first.photo, {item.model: item.caption for item in items})


def open_upload(path: Path, allowed: Allowed) -> Image.Image:
    """Open an uploaded photo; its size is checked before it is decoded.

    Raises:
        UserError: it is not a photo, or too large; the message has its name without its path.
    """
    size = path.stat().st_size if path.exists() else None
    if size is None:
        raise UserError(f"{path.name} is no longer on the server; send it again")
    if size == 0:
        raise UserError(f"{path.name} is empty: 0 bytes; send a photo")
    if size > allowed.megabytes * 2**20:
        raise UserError(f"{path.name} has {size / 2**20:,.0f} MB, the limit is {allowed.megabytes} MB; make it smaller")
    try:
        return open_photo(path, FORMATS, allowed.megapixels * 1_000_000)
    except UserError as error:
        raise UserError(str(error).replace(str(path), path.name)) from error
