"""What is compared: the settings of one recipe with another kind of attention, score or decoder."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import builder
from captioner.builder.config import parse_override
from captioner.builder.renamed import with_new_name
from captioner.builder.schema import BESIDE, takes_score
from captioner.builder.sections import Settings
from captioner.errors import UserError

_PARTS = ("attention", "decoder")
"""The sections whose kinds are compared."""


@dataclass(frozen=True)
class Variant:
    """One line of a comparison: `soft:dot`, `multi_head`, or with another decoder `transformer/multi_head`.

    Options of a part follow its name: `transformer+layers=2/multi_head+heads=4`.
    """

    name: str

    def kinds(self, recipe: Settings) -> dict[str, str]:
        """The names of its parts; an empty score is the kind's own."""
        decoder, _, attention = self.name.rpartition("/")
        kind, _, score = attention.partition("+")[0].partition(":")
        decoder = decoder.partition("+")[0] or recipe.decoder.kind
        return {"decoder.kind": decoder, "attention.kind": kind, "attention.score": score}

    def overrides(self, recipe: Settings) -> list[str]:
        """The overrides of the recipe: kinds, and the variant's own options."""
        parts = zip(("decoder", "attention"), self.name.rpartition("/")[::2], strict=True)
        own = [f"{section}.{option}" for section, text in parts for option in text.split("+")[1:]]
        return [f"{key}={value}" for key, value in self.kinds(recipe).items() if value != ""] + own

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


def read_recipe(
    config: Path, overrides: Sequence[str], variants: Sequence[Variant]
) -> tuple[Settings, dict[str, list[str]], list[str]]:
    """The settings that all share, the overrides of each variant by its name, and notes for the user.

    An override of a setting that only some kinds have is left out for the other variants. If no variant has the setting, it stays, so
    that reading the settings refuses it.
    """
    overrides = [with_new_name(override) for override in overrides]
    options = {override: _option(override) for override in overrides}
    plain = builder.read(config, [override for override, option in options.items() if option is None])
    own = {"decoder.kind": plain.decoder.kind, "attention.kind": plain.attention.kind}
    kinds = {variant.name: variant.kinds(plain) for variant in variants}
    takers = {
        override: [name for name in kinds if option is None or _takes(kinds[name], *option)] or list(kinds)
        for override, option in options.items()
    }
    recipe = builder.read(
        config,
        [
            override
            for override, option in options.items()
            if option is None or _takes({**own, "attention.score": plain.attention.score or ""}, *option)
        ],
    )
    fitting = {name: [override for override in overrides if name in takers[override]] for name in kinds}
    notes = [
        f"{override} holds for {', '.join(names)} only; the other kinds have no such setting"
        for override, names in takers.items()
        if len(names) < len(kinds)
    ]
    return recipe, fitting, notes


def _option(override: str) -> tuple[str, str] | None:
    """The section and key of an override of a setting that a kind of attention or a decoder may lack; None for any other override."""
    ((section, values),) = parse_override(override).items()
    (key,) = values
    shared = {"kind", *(name for part in BESIDE.get(section, []) for name in inspect.signature(part).parameters)}
    return (section, key) if section in _PARTS and key not in shared else None


def _takes(kinds: dict[str, str], section: str, key: str) -> bool:
    """Whether the kind, or the score, of a section has a setting."""
    kind = kinds[f"{section}.kind"]
    if key == "score":
        return takes_score(builder.part(section, kind))
    return key in builder.keys_of(section, kind, kinds["attention.score"])
