"""Decoding options on the page, and the search that they configure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from captioner import builder
from captioner.errors import UserError
from captioner.search import KINDS, Search
from captioner.text.vocabulary import Vocabulary


class Range(NamedTuple):
    """The range of a number; an integer if the step is 1."""

    low: float
    high: float
    step: float


RANGES = {
    "beams": Range(1, 20, 1),
    "groups": Range(1, 10, 1),
    "diversity": Range(0, 3, 0.1),
    "samples": Range(1, 20, 1),
    "temperature": Range(0.1, 2, 0.05),
    "top_p": Range(0.05, 1, 0.05),
    "max_length": Range(1, 50, 1),
}
"""Narrower than the ranges of settings: a request with a million beams would stop the server."""
ALWAYS = {"kind", "max_length"}
"""Options of every kind of search."""


def choices_for(kind: str) -> set[str]:
    """The names of the options of a kind of search.

    Raises:
        UserError: there is no such kind.
    """
    return (builder.keys_of("search", kind) & {*RANGES, "length_rule"}) | ALWAYS


def first_choices(run: Path) -> dict[str, Any]:
    """The initial values: the run's own settings, and defaults for the other kinds of search."""
    return next(iter(choices_by_kind(run).values()))


def choices_by_kind(run: Path) -> dict[str, dict[str, Any]]:
    """The initial values for each kind of search, the run's own kind first: the run's settings for it, defaults for the others."""
    own = builder.read_run_settings(run).resolved["search"]
    others = [kind for kind in KINDS if kind != own["kind"]]
    settings = [own, *(builder.read_run_settings(run, [f"search.kind={kind}"]).resolved["search"] for kind in others)]
    every = {name: value for one in reversed(settings) for name, value in one.items()}
    names = ["kind", "length_rule", *RANGES]
    return {one["kind"]: {name: _within(name, (every | one)[name]) for name in names} for one in settings}


def make_search(run: Path, vocabulary: Vocabulary, choices: Mapping[str, Any]) -> Search:
    """The run's search with these options; options of other kinds are ignored.

    Raises:
        UserError: a value is out of range, or values contradict each other.
    """
    taken = choices_for(choices["kind"])
    overrides = [f"search.{name}={_checked(name, value)}" for name, value in choices.items() if name in taken]
    return builder.make_search(builder.read_run_settings(run, overrides), vocabulary)


def _within(name: str, value: Any) -> Any:
    return min(max(value, RANGES[name].low), RANGES[name].high) if name in RANGES else value


def _checked(name: str, value: Any) -> Any:
    if name not in RANGES:
        return value
    low, high, step = RANGES[name]
    if not isinstance(value, (int, float)) or not low <= value <= high:
        raise UserError(f"{name} should be from {low:g} to {high:g}, got {value!r}")
    return round(value) if step == 1 else float(value)
