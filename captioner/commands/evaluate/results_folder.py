"""Where the results of an evaluation lie: those of the run's own data and of other data are kept apart."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from captioner import builder
from captioner.builder.sections import Settings
from captioner.commands.outputs import check_results, check_writable
from captioner.data.contract import Splits
from captioner.errors import UserError
from captioner.files import write_text_atomically, written_together
from captioner.readers import read_json

RESULTS, SCORES, PAGE = "results.json", "scores.json", "report.html"
DATA = "dataset.json"
"""Names the data of results that are not of the run's own data."""
MODELS = "models.json"
"""Names the other runs of an ensemble."""

_IN_NAME = ("kind", "root", "parts", "only")
"""Settings that `name_of` stands for."""


@dataclass(frozen=True)
class Place:
    """Where the results of an evaluation are written."""

    own_data: bool  # is it the data that the run was trained on?
    title: str  # the split, and the data if it is other
    folder: Path
    lists: Path  # the folder of the lists of photos that cannot be read
    run: Path
    others: Sequence[Path]  # of an ensemble


def place_of(runs: Sequence[Path], split: str, settings: Settings, splits: Splits, out: Path | None) -> Place:
    """The place of an evaluation's results: `out`, or a folder in the first run's folder.

    Raises:
        UserError: nothing can be written there.
    """
    own_data = is_own_data(runs[0], settings, splits)
    folder = out or results_folder(runs, split, settings, own_data)
    check_writable(folder, "give --out FOLDER")
    if out is not None:
        check_results(out, [RESULTS, SCORES, PAGE, DATA, MODELS])
    title = split if own_data else f"{split} of {name_of(settings)}"
    lists = builder.results_root(runs[0]) if own_data and out is None else folder
    return Place(own_data, title, folder, lists, runs[0], runs[1:])


def is_own_data(run: Path, settings: Settings, splits: Splits) -> bool:
    """Is this the data that the run was trained on, perhaps in another place?

    Data in another place is the run's own if there is nothing in the run's place any more, and its training captions have the
    run's vocabulary.
    """
    given, own = _data(settings), _data(builder.read_run_settings(run))
    if given == own:
        return True
    moved = _without_roots(given) == _without_roots(own) and not any(map(Path.exists, _roots(own)))
    if not (moved and splits.get("train")):
        return False
    return builder.make_vocabulary(settings, splits).words == builder.read_vocabulary(run / builder.VOCABULARY).words


def _data(settings: Settings) -> dict[str, Any]:
    """The settings that say which data is read."""
    options = {"kind": settings.data.kind, **settings.data.options}
    root = Path(options["root"]).resolve()
    parts = [part | {"root": str((root / part["root"]).resolve())} for part in options.get("parts", [])]
    return options | {"root": str(root)} | ({"parts": parts} if parts else {})


def _roots(data: dict[str, Any]) -> list[Path]:
    """The folders that data is read from."""
    return [Path(part["root"]) for part in data.get("parts", [data])]


def _without_roots(data: dict[str, Any]) -> dict[str, Any]:
    parts = [part | {"root": ""} for part in data.get("parts", [])]
    return data | {"root": "", "parts": parts}


def name_of(settings: Settings) -> str:
    """A name for data: the last part of its root or of its name, or the names of its parts."""
    options = settings.data.options
    if "parts" in options:
        return options["only"] or "+".join(part["name"] for part in options["parts"])
    return Path(options.get("name", options["root"])).resolve().name or "root"


def results_folder(runs: Sequence[Path], split: str, settings: Settings, own_data: bool) -> Path:
    """The folder of the results in the first run's folder. Other data than the run's and ensembles have folders of their own, numbered
    where their names are the same.
    """
    run, others = builder.results_root(runs[0]), _paths(runs[1:], runs[0])
    name, given = split, None
    if not own_data:
        given, own = _data(settings), _data(builder.read_run_settings(runs[0]))
        different = [str(given[key]) for key in given if key in own and given[key] != own[key] and key not in _IN_NAME]
        name = "-".join([split, name_of(settings), *(re.sub(r"[^\w.-]+", "", value) for value in different)])
    for number in count(1):
        numbered = name if number == 1 else f"{name}-{number}"
        folder = run / "-with-".join([numbered, *(Path(other).name for other in others)])
        if _recorded(folder / DATA) in (None, given) and _recorded(folder / MODELS) in (None, others):
            return folder
    raise AssertionError


def _paths(others: Sequence[Path], run: Path) -> list[str]:
    """The paths of other runs from a run, so that runs can be moved together."""
    return [os.path.relpath(other.resolve(), run.resolve()) for other in others]


def _recorded(path: Path) -> Any:
    try:
        return read_json(path, "")
    except UserError:
        return None


@contextmanager
def results_of(place: Place, settings: Settings, replaced: Sequence[str]) -> Iterator[None]:
    """Mark the folder as unfinished while results are written, and write which data and which ensemble they are of, unless both are the
    run's own.

    Args:
        replaced: files of an earlier evaluation that are deleted first.
    """
    with written_together(place.folder, [*replaced, DATA, MODELS]):
        if not place.own_data:
            write_text_atomically(place.folder / DATA, json.dumps(_data(settings), indent=1) + "\n")
        if place.others:
            write_text_atomically(place.folder / MODELS, json.dumps(_paths(place.others, place.run), indent=1) + "\n")
        yield
