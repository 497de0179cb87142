"""What the page lets people choose about decoding, and how that becomes a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from captioner import builder
from captioner.errors import UserError
from captioner.search import KINDS, Search
from captioner.text.vocabulary import Vocabulary


class Range(NamedTuple):
    """What a number may be; a whole one where the step is whole."""

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
"""Narrower than what settings take: a request with a million beams would end the server."""
_ALWAYS = {"kind", "max_length"}


def choices_for(kind: str) -> set[str]:
    """The names of what can be chosen for a way of decoding.

    Raises:
        UserError: there is no such way of decoding.
    """
    return (builder.keys_of("search", kind) & {*RANGES, "length_rule"}) | _ALWAYS


def first_choices(run: Path) -> dict[str, Any]:
    """What the run's own settings say, and for the other ways of decoding their defaults."""
    own = builder.read_run_settings(run).resolved["search"]
    others = [builder.read_run_settings(run, [f"search.kind={kind}"]).resolved["search"] for kind in reversed(KINDS)]
    values = {name: value for settings in [*others, own] for name, value in settings.items()}
    return {name: _within(name, values[name]) for name in ["kind", "length_rule", *RANGES]}


def make_search(run: Path, vocabulary: Vocabulary, choices: Mapping[str, Any]) -> Search:
    """The run's search under choices; those that do not belong to the kind are left aside.

    Raises:
        UserError: a value that the page does not offer, or values that do not go together.
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
