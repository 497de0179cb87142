"""What is compared: one recipe's settings with another kind of attention, score or decoder in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from captioner import builder
from captioner.builder.sections import Settings
from captioner.errors import UserError


@dataclass(frozen=True)
class Variant:
    """One line of a comparison: `soft:dot`, `multi_head`, or with another decoder `transformer/multi_head`.

    Options of its own follow a part's name: `transformer+layers=2/multi_head+heads=4`.
    """

    name: str

    def overrides(self, recipe: Settings) -> list[str]:
        """What makes it of the recipe: its names, sizes and options of the recipe that its parts know too, and options of its own."""
        decoder, _, looking = self.name.rpartition("/")
        decoder, *decoder_options = decoder.split("+")
        looking, *options = looking.split("+")
        kind, _, score = looking.partition(":")
        names = {"decoder.kind": decoder or recipe.decoder.kind, "attention.kind": kind, "attention.score": score}
        known = {
            section: builder.keys_of(section, names[f"{section}.kind"], score) for section in ("attention", "decoder")
        }
        shared = {
            f"{section}.{key}": value
            for section, keys in known.items()
            for key, value in recipe.resolved[section].items()
            if key in keys and value is not None
        }
        own = [f"decoder.{option}" for option in decoder_options] + [f"attention.{option}" for option in options]
        return [f"{key}={value}" for key, value in {**names, **shared}.items() if value != ""] + own

    def folder(self, root: Path, seed: int) -> Path:
        return root / re.sub("[/:+=]", "-", self.name) / f"seed-{seed}"


def check_names(text: str) -> list[str]:
    """The names in a list with commas between them."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(
            "a comparison needs kinds of attention, got none; write --attention soft:additive,soft:dot,multi_head"
        )
    return names
