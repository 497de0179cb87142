"""Earlier names of settings, which work for one release and print a note with the new name.

The `settings.yaml` of a run folder is translated without a note, so that run folders of earlier versions load.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from captioner.builder.config import Nested, parse_override
from captioner.errors import UserError
from captioner.progress import print_note

RENAMED: dict[str, dict[str, str]] = {
    "run": {"watch": "monitor", "average": "ema_decay"},
    "decoder": {"looks": "attend"},
    "encoder": {"most": "max_boxes", "fewest": "min_boxes"},
}
"""New names by section and earlier name."""
REMOVED = {"decoder": {"enters", "candidate"}}
"""Keys of `decoder.kind=lstm` that became the kind `att2in`, by section."""


@cache
def note_once(text: str) -> None:
    """Print a note the first time only: a comparison reads settings for every run."""
    print_note(text)


def with_new_names(settings: Nested, note: bool = True) -> Nested:
    """Settings of one file or override, with keys under their new names.

    Raises:
        UserError: a section has a key under both names.
    """
    translated = {}
    for section, values in settings.items():
        names = RENAMED.get(section, {})
        if not isinstance(values, dict) or not names.keys() & values.keys():
            translated[section] = values
            continue
        for old in names.keys() & values.keys():
            if names[old] in values:
                raise UserError(f"{section}.{old} is now called {section}.{names[old]}, got both; remove {old}")
            if note:
                note_once(f"{section}.{old} is now called {section}.{names[old]}")
        translated[section] = {names.get(key, key): value for key, value in values.items()}
    return translated


def with_new_name(override: str) -> str:
    """An override with its key under its new name."""
    key, equals, value = override.partition("=")
    section, _, name = key.strip().partition(".")
    if name not in RENAMED.get(section, {}):
        return override
    note_once(f"{section}.{name} is now called {section}.{RENAMED[section][name]}")
    return f"{section}.{RENAMED[section][name]}{equals}{value}"


def check_both_names(overrides: Sequence[str]) -> None:
    """Refuse overrides of one key under both its names; which of them would hold is anybody's guess."""
    together: Nested = {}
    for override in overrides:
        for section, values in parse_override(override).items():
            together[section] = {**together.get(section, {}), **values}
    with_new_names(together, note=False)


def earlier_name(section: str, key: str) -> str | None:
    """The earlier name of a key; None if it was not renamed."""
    return next((old for old, new in RENAMED.get(section, {}).items() if new == key), None)


_ATT2IN = {"cell": "lstm", "gate": "none", "attend": "before", "output": "state"}
_VALUES = {"enters": ("gates", "candidate"), "candidate": ("tanh", "maxout")}
_DEFAULTS = {
    "cell": "lstm",
    "gate": "scalar",
    "attend": "before",
    "output": "deep",
    "enters": "gates",
    "candidate": "tanh",
}


def with_new_kinds(settings: Nested, path: Path, note: bool = True) -> Nested:
    """Merged settings in which options of `decoder.kind=lstm` that make it Att2in are replaced by `decoder.kind=att2in`.

    Args:
        settings: of one config or run.
        path: its file, for messages.
        note: whether to print the new name.

    Raises:
        UserError: the decoder is a combination of these options that no longer exists.
    """
    decoder = settings.get("decoder")
    if not isinstance(decoder, dict) or decoder.get("kind") != "lstm" or not decoder.keys() & REMOVED["decoder"]:
        return settings
    before = _DEFAULTS | decoder
    for key, values in _VALUES.items():
        if before[key] not in values:
            raise UserError(
                f"decoder.{key} was {' or '.join(values)} in version 0.1.0, got {before[key]!r}; leave it out"
            )
    if (before["enters"], before["candidate"]) == ("gates", "tanh"):
        if note:
            given = " and ".join(f"decoder.{key}={before[key]}" for key in _VALUES if key in decoder)
            note_once(f"decoder.kind=lstm now always has {given}; leave it out")
        left = {key: value for key, value in decoder.items() if key not in _VALUES}
        return {**settings, "decoder": left}
    if before["candidate"] != "maxout" or any(before[key] != value for key, value in _ATT2IN.items()):
        raise UserError(f"{path}: {_refusal(before)}")
    if note:
        note_once(f"this decoder is now called decoder.kind=att2in, with decoder.context_to={before['enters']}")
    left = {key: value for key, value in decoder.items() if key not in _DEFAULTS}
    return {**settings, "decoder": {**left, "kind": "att2in", "context_to": before["enters"]}}


def _refusal(before: Nested) -> str:
    given = ", ".join(f"decoder.{key}={before[key]}" for key in _VALUES)
    needed = ", ".join(f"{key}={value}" for key, value in {**_ATT2IN, "candidate": "maxout"}.items())
    return (
        f"decoder.kind=lstm no longer has {given}. A run that was trained so needs version 0.1.0 of captioner (commit 23e3477). "
        f"For a new run leave both out, or take decoder.kind=att2in, which stands for {needed}"
    )
