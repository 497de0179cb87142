"""What `captioner serve` has loaded, in a few lines for its start."""

from __future__ import annotations

import re
from pathlib import Path

from captioner import builder
from captioner.builder.loading import trained_on
from captioner.commands.pack.model_card import CARD
from captioner.commands.serve.requests import Service
from captioner.errors import shortened

_TERMS = re.compile(r"^## Data and terms\s*\n\s*(?P<first>[^|#<\s][^|]*?)(?:\n\s*\n|\Z)", re.MULTILINE)


def loaded(service: Service) -> list[str]:
    """The model with its folder and parts, where it computes, and the terms that its card states, if any."""
    captioner, folder = service.captioner, service.run
    settings = builder.read_run_settings(folder)
    attention = f"{settings.attention.score or ''} {settings.attention.kind}".strip()
    network = settings.encoder.options.get("network", settings.encoder.kind)
    words = len(captioner.vocabulary)
    terms = terms_of(folder / CARD)
    return [
        f"loaded: {service.name} from {folder}{trained_on(folder)}",
        f"parts: encoder {network}, attention {attention}, decoder {settings.decoder.kind}, {words:,} words",
        f"computes on {captioner.device} in {str(captioner.precision).removeprefix('torch.')}",
        *([f"terms: {terms} (more in {folder / CARD})"] if terms else []),
    ]


def terms_of(card: Path) -> str:
    """The first sentence of a model card's section on data and terms, without markup; empty if it has none."""
    if not card.is_file():
        return ""
    match = _TERMS.search(card.read_text(encoding="utf-8", errors="replace"))
    text = " ".join(match["first"].split()).replace("**", "") if match else ""
    return shortened(text.partition(". ")[0].rstrip("."), 300)
