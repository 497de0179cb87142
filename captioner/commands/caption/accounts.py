"""Two accounts of a caption's words on one sheet: where the decoder attended, and which regions made each word likely.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from captioner.captioner import Captioner
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.explain.forced_decoding import encode_captions
from captioner.explain.gradients import gradient_maps
from captioner.explain.shape import scaled
from captioner.model import CaptionModel
from captioner.search import Caption
from captioner.visualize.legend import shown_words
from captioner.visualize.overlay import Style, convention

ATTENTION = "attention"
ACCOUNTS = {
    ATTENTION: "where the decoder attended; not why it chose the word",
    "gradient x input": "how much each region raised the word's log-probability, to first order; not where the decoder attended",
    "Grad-CAM": "regions with the features that raise the word's log-probability; not where the decoder attended",
}
"""What each account is, and what it is not."""


def check_explained(captioner: Captioner) -> None:
    """Refuse models whose gradients cannot be taken."""
    if not isinstance(captioner.model, CaptionModel):
        raise UserError("--explain takes the gradients of one model, got an ensemble; give one --model")


def accounts_of(captioner: Captioner, photo: Path, caption: Caption, attention: bool) -> dict[str, Caption]:
    """The caption with the maps of each account, by its name; attention's first, if asked for."""
    attended = {ATTENTION: caption} if attention else {}
    plain = replace(caption, head_weights=None, sentinel=None, gate=None)
    maps = _gradients(captioner, photo, caption) if caption.words else {}
    return attended | {name: replace(plain, weights=scaled(weights)) for name, weights in maps.items()}


def account_notes(accounts: Mapping[str, Caption], style: Style) -> dict[str, str]:
    """What each account is, and the word shown for which it differs most from attention."""
    notes = {name: ACCOUNTS[name] for name in accounts}
    attended = accounts.get(ATTENTION)
    if attended is not None:
        notes[ATTENTION] += f"; it {convention(attended)}"
    for name, caption in accounts.items():
        if (
            attended is None
            or attended.weights is None
            or caption.weights is None
            or name == ATTENTION
            or not caption.words
        ):
            continue
        apart = (scaled(attended.weights) - caption.weights).abs().sum(1) / 2  # (T,) total variation distance
        most = max(shown_words(caption, style), key=lambda position: float(apart[position]))
        notes[name] += (
            f"; differs most from attention at {caption.words[most]!r}, by {float(apart[most]):.0%} of the weight"
        )
    return notes


def _gradients(captioner: Captioner, photo: Path, caption: Caption) -> dict[str, Tensor]:
    """Maps (T, R) of each kind. Each word is explained given the words before it."""
    model = captioner.model
    assert isinstance(model, CaptionModel)
    model.eval()
    pixels, _ = model.encoder.preprocess(open_photo(photo))
    with torch.no_grad():
        regions = model.regions(pixels[None].to(captioner.device))
    words = encode_captions([[caption.words]], captioner.vocabulary)[0, 0].to(captioner.device)  # (T + 2,)
    by_word = [gradient_maps(model, regions, words[None, : position + 2]) for position in range(len(caption.words))]
    real = regions.mask[0]
    return {name: torch.stack([maps[name][0, real] for maps in by_word]).float().cpu() for name in by_word[0]}
