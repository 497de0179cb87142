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
_ALWAYS = {"kind", "max_length"}


def choices_for(kind: str) -> set[str]:
    """The names of the options of a kind of search.

    Raises:
        UserError: there is no such kind.
    """
    return (builder.keys_of("search", kind) & {*RANGES, "length_rule"}) | _ALWAYS


def first_choices(run: Path, kind: str = "") -> dict[str, Any]:
    """The initial values for a kind of search: the run's own settings if it is the run's kind or empty, else the kind's defaults."""
    own = builder.read_run_settings(run).resolved["search"]
    defaults = {
        one: builder.read_run_settings(run, [f"search.kind={one}"]).resolved["search"] for one in reversed(KINDS)
    }
    chosen = own if kind in ("", own["kind"]) else defaults[kind]
    values = {name: value for settings in [*defaults.values(), chosen] for name, value in settings.items()}
    return {name: _within(name, values[name]) for name in ["kind", "length_rule", *RANGES]}


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
