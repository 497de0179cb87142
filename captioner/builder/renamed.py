"""Earlier names of settings, which work for one release and print a note with the new name.

The `settings.yaml` of a run folder is translated without a note, so that run folders of earlier versions load.
"""

from __future__ import annotations

from captioner.builder.config import Nested
from captioner.errors import UserError
from captioner.progress import print_note

RENAMED: dict[str, dict[str, str]] = {
    "run": {"watch": "monitor", "average": "ema_decay"},
    "decoder": {"looks": "attend"},
    "encoder": {"most": "max_boxes", "fewest": "min_boxes"},
}
"""New names by section and earlier name."""


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
                print_note(f"{section}.{old} is now called {section}.{names[old]}")
        translated[section] = {names.get(key, key): value for key, value in values.items()}
    return translated


_ATT2IN = {"cell": "lstm", "gate": "none", "attend": "before", "output": "state"}
_DEFAULTS = {
    "cell": "lstm",
    "gate": "scalar",
    "attend": "before",
    "output": "deep",
    "enters": "gates",
    "candidate": "tanh",
}


def with_new_kinds(settings: Nested, note: bool = True) -> Nested:
    """Merged settings in which options of `decoder.kind=lstm` that make it Att2in are replaced by `decoder.kind=att2in`.

    Raises:
        UserError: the decoder is a combination of these options that no longer exists.
    """
    decoder = settings.get("decoder")
    if not isinstance(decoder, dict) or decoder.get("kind") != "lstm" or not decoder.keys() & {"enters", "candidate"}:
        return settings
    before = _DEFAULTS | decoder
    if (before["enters"], before["candidate"]) == ("gates", "tanh"):
        left = {key: value for key, value in decoder.items() if key not in ("enters", "candidate")}
        return {**settings, "decoder": left}
    if before["candidate"] != "maxout" or any(before[key] != value for key, value in _ATT2IN.items()):
        raise UserError(
            "decoder.enters and decoder.candidate of decoder.kind=lstm no longer exist except as decoder.kind=att2in, which has "
            f"{', '.join(f'{key}={value}' for key, value in _ATT2IN.items())} and candidate=maxout; take att2in, or leave them out"
        )
    if note:
        print_note(f"this decoder is now called decoder.kind=att2in, with decoder.context_to={before['enters']}")
    left = {key: value for key, value in decoder.items() if key not in _DEFAULTS}
    return {**settings, "decoder": {**left, "kind": "att2in", "context_to": before["enters"]}}
