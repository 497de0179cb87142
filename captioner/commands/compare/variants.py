"""What is compared: the settings of one recipe with another kind of attention, score or decoder."""

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

    Options of a part follow its name: `transformer+layers=2/multi_head+heads=4`.
    """

    name: str

    def overrides(self, recipe: Settings) -> list[str]:
        """The overrides of the recipe: kinds, the recipe's options that these kinds also take, and the variant's own options."""
        decoder, _, attention = self.name.rpartition("/")
        decoder, *decoder_options = decoder.split("+")
        attention, *options = attention.split("+")
        kind, _, score = attention.partition(":")
        names = {"decoder.kind": decoder or recipe.decoder.kind, "attention.kind": kind, "attention.score": score}
        keys_of = {
            section: builder.keys_of(section, names[f"{section}.kind"], score) for section in ("attention", "decoder")
        }
        shared = {
            f"{section}.{key}": value
            for section, keys in keys_of.items()
            for key, value in recipe.resolved[section].items()
            if key in keys and value is not None
        }
        own = [f"decoder.{option}" for option in decoder_options] + [f"attention.{option}" for option in options]
        return [f"{key}={value}" for key, value in {**names, **shared}.items() if value != ""] + own

    def folder(self, root: Path, seed: int) -> Path:
        return root / re.sub("[/:+=]", "-", self.name) / f"seed-{seed}"


def check_names(text: str) -> list[str]:
    """The names in a comma-separated list."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(
            "a comparison needs kinds of attention, got none; write --attention soft:additive,soft:dot,multi_head"
        )
    return names
