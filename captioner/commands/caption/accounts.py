"""Accounts of a caption's words, on sheets and pages: where the decoder attended, in each layer, and which regions made each word likely.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from captioner.captioner import Captioner
from captioner.encoders.preprocess import as_rgb, open_photo
from captioner.errors import UserError
from captioner.explain.forced_decoding import encode_captions
from captioner.explain.gradients import gradient_maps
from captioner.explain.layers import layer_weights
from captioner.explain.shape import scaled
from captioner.model import CaptionModel
from captioner.regions import Regions
from captioner.search import Caption
from captioner.visualize.legend import shown_words
from captioner.visualize.overlay import USUAL, Style, convention

ATTENTION = "attention"
EXPLAINED = (ATTENTION, "gradients", "both", "layers")
"""What can be shown of each word."""
ACCOUNTS = {
    ATTENTION: "where the decoder attended; not why it chose the word",
    "gradient x input": "how much each region raised the word's log-probability, to first order; not where the decoder attended",
    "Grad-CAM": "regions with the features that raise the word's log-probability; not where the decoder attended",
}
"""What each account is, and what it is not."""


def check_explained(captioner: Captioner, explain: str) -> None:
    """Refuse models that have no such accounts."""
    if not isinstance(captioner.model, CaptionModel):
        raise UserError("--explain explains the words of one model, got an ensemble; give one --model")
    num_layers = len(captioner.model.decoder.attentions())
    if explain == "layers" and num_layers < 2:
        raise UserError(
            f"--explain layers needs a decoder with several layers of attention, this model has {num_layers}; "
            "give a run of decoder.kind=transformer, or choose --explain both"
        )


def explained(
    captioner: Captioner,
    photo: str | Path | Image.Image,
    caption: Caption,
    explain: str = "both",
    style: Style = USUAL,
) -> dict[str, tuple[Caption, str]]:
    """Accounts of a caption's words, and what each is, by name, for `captioner.show` and pages.

    >>> captioner.show(caption, photo="beach.jpg", accounts=captioner.explained(model, "beach.jpg", caption))

    Args:
        captioner: the model that wrote the caption.
        photo: a path or a picture.
        caption: the caption, with the words to explain.
        explain: `both` attention and gradients, `gradients` alone, `attention` alone, or `layers`.
        style: decides which words are compared.

    Raises:
        UserError: the model has no such accounts.
    """
    if explain not in EXPLAINED:
        raise UserError(f"explain is one of {', '.join(EXPLAINED)}, got {explain!r}")
    check_explained(captioner, explain)
    accounts = accounts_of(captioner, photo, caption, explain)
    notes = account_notes(accounts, style)
    return {name: (account, notes[name]) for name, account in accounts.items()}


def accounts_of(
    captioner: Captioner, photo: str | Path | Image.Image, caption: Caption, explain: str
) -> dict[str, Caption]:
    """The caption with the maps of each account, by its name; attention's first, if asked for."""
    attended = {ATTENTION: caption} if explain != "gradients" else {}
    if not caption.words or explain == ATTENTION:
        return attended
    plain = replace(caption, head_weights=None, sentinel=None, gate=None)
    of = _layers if explain == "layers" else _gradients
    return attended | {name: replace(plain, weights=maps) for name, maps in of(captioner, photo, caption).items()}


def account_notes(accounts: Mapping[str, Caption], style: Style) -> dict[str, str]:
    """What each account is, and the word shown for which it differs most from attention."""
    notes = {name: ACCOUNTS.get(name, f"where {name} of the decoder attended") for name in accounts}
    attended = accounts.get(ATTENTION)
    if attended is not None:
        notes[ATTENTION] += f"; it {convention(attended)}"
    for name, caption in accounts.items():
        if attended is None or attended.weights is None or caption.weights is None or name == ATTENTION:
            continue
        apart = (scaled(attended.weights) - caption.weights).abs().sum(1) / 2  # (T,) total variation distance
        most = max(shown_words(caption, style), key=lambda position: float(apart[position]), default=None)
        if most is not None:
            share = f"{float(apart[most]):.0%} of the weight"
            notes[name] += f"; differs most from attention at {caption.words[most]!r}, by {share}"
    return notes


def _regions(captioner: Captioner, photo: str | Path | Image.Image) -> tuple[CaptionModel, Regions]:
    model = captioner.model
    assert isinstance(model, CaptionModel)
    model.eval()
    pixels, _ = model.encoder.preprocess(as_rgb(photo) if isinstance(photo, Image.Image) else open_photo(photo))
    with torch.no_grad():
        return model, model.regions(pixels[None].to(captioner.device))


def _encoded(captioner: Captioner, caption: Caption) -> Tensor:
    """(T + 2,): the caption between its marks."""
    return encode_captions([[caption.words]], captioner.vocabulary)[0, 0].to(captioner.device)


def _layers(captioner: Captioner, photo: str | Path | Image.Image, caption: Caption) -> dict[str, Tensor]:
    """Attention (T, R) of each layer below the last, whose attention is the caption's own."""
    model, regions = _regions(captioner, photo)
    weights = layer_weights(model, regions, _encoded(captioner, caption)[None, : len(caption.words)])
    real = regions.mask[0]
    below = enumerate(weights[:-1], 1)
    return {f"layer {number} of {len(weights)}": scaled(maps[0][:, real].float().cpu()) for number, maps in below}


def _gradients(captioner: Captioner, photo: str | Path | Image.Image, caption: Caption) -> dict[str, Tensor]:
    """Maps (T, R) of each kind, scaled to sum 1. Each word is explained given the words before it."""
    model, regions = _regions(captioner, photo)
    words = _encoded(captioner, caption)
    by_word = [gradient_maps(model, regions, words[None, : position + 2]) for position in range(len(caption.words))]
    real = regions.mask[0]
    return {name: scaled(torch.stack([maps[name][0, real] for maps in by_word]).float().cpu()) for name in by_word[0]}
