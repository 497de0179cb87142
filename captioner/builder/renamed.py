"""Settings under their earlier names: they keep working for one release, with a note of the new name.

Run folders written before keep loading: their settings.yaml is translated without a note.
"""

from __future__ import annotations

from captioner.builder.config import Settings
from captioner.errors import UserError
from captioner.progress import errors

RENAMED: dict[str, dict[str, str]] = {
    "run": {"watch": "monitor", "average": "ema_decay"},
    "decoder": {"looks": "attend"},
    "encoder": {"most": "max_boxes", "fewest": "min_boxes"},
}
"""New names by section and earlier name."""


def with_new_names(settings: Settings, note: bool = True) -> Settings:
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
                errors.print(
                    f"note: {section}.{old} is now called {section}.{names[old]}", soft_wrap=True, markup=False
                )
        translated[section] = {names.get(key, key): value for key, value in values.items()}
    return translated
