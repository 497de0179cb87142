"""Accounts of a caption's words, on sheets and pages: where the decoder attended, in each layer or given the word, and which regions made
each word likely.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from captioner.captioner import Captioner
from captioner.encoders.preprocess import Photo, open_photo
from captioner.errors import UserError, install
from captioner.explain.forced_decoding import encode_captions
from captioner.explain.gradients import gradient_maps, has_captum, integrated_gradients
from captioner.explain.layers import layer_maps
from captioner.explain.posterior import has_posterior, posterior_maps
from captioner.explain.shape import scaled
from captioner.model import CaptionModel, evaluating
from captioner.regions import Regions
from captioner.search import Caption
from captioner.visualize.legend import shown_words
from captioner.visualize.maps import check_photo
from captioner.visualize.overlay import USUAL, Style, convention

ATTENTION, POSTERIOR, INTEGRATED = "attention", "posterior", "integrated gradients"
EXPLAINED = (ATTENTION, POSTERIOR, "gradients", "both", "all", "layers")
"""What can be shown of each word."""
ACCOUNTS = {
    ATTENTION: "where the decoder attended; not why it chose the word",
    POSTERIOR: "where the decoder attended, given the word: regions count more that make the word likely when read alone",
    "gradient x input": "how much each region raised the word's log-probability, to first order; not where the decoder attended",
    "Grad-CAM": "regions with the features that raise the word's log-probability; not where the decoder attended",
    INTEGRATED: "how much each region raised the word's log-probability over a photo with this photo's mean region everywhere; not "
    "where the decoder attended",
}
"""What each account is, and what it is not. A layer is described by `account_notes`."""


def check_explained(captioner: Captioner, explain: str) -> None:
    """Refuse models that have no such accounts."""
    if not isinstance(captioner.model, CaptionModel):
        raise UserError("the words of one model can be explained, got an ensemble; give one model")
    num_layers = len(captioner.model.decoder.attentions())
    if explain == "layers" and num_layers < 2:
        raise UserError(
            f"explaining by layers needs a decoder with several layers of attention, this model has {num_layers}; "
            "give a run of decoder.kind=transformer, or choose both"
        )
    if explain == POSTERIOR and not has_posterior(captioner.model):
        has = f"{num_layers}; choose layers, or both" if num_layers > 1 else "none; choose gradients"
        raise UserError(f"the posterior needs a decoder with one layer of attention, this model has {has}")
    if explain == "all" and not has_captum():
        raise UserError(
            "all accounts include integrated gradients, which need captum, which is not installed or cannot be imported; "
            f"{install('explain')}, or choose both"
        )


def explained(
    captioner: Captioner,
    photo: Photo,
    caption: Caption,
    explain: str = "both",
    style: Style = USUAL,
) -> dict[str, tuple[Caption, str]]:
    """Accounts of a caption's words, and what each is, by name, for `captioner.show` and pages.

    Examples:
        >>> captioner.show(caption, photo="beach.jpg", accounts=captioner.explained(model, "beach.jpg", caption))

    Args:
        captioner: the model that wrote the caption.
        photo: a path or a picture.
        caption: the caption, with the words to explain.
        explain: `attention` or `gradients` alone, `both` of them, `posterior` beside attention, `all` with integrated gradients, or
            `layers`.
        style: decides which words are compared.

    Raises:
        UserError: the model has no such accounts.
        ValueError: the caption belongs to a photo of another size.
    """
    if explain not in EXPLAINED:
        raise UserError(f"explain is one of {', '.join(EXPLAINED)}, got {explain!r}")
    if not isinstance(caption, Caption):
        raise TypeError(
            f"explained() needs a caption as captioner.caption() returns it, got {type(caption).__name__}; caption the photo first"
        )
    check_explained(captioner, explain)
    opened = open_photo(photo)
    if caption.placement is not None:
        check_photo(opened, caption)
    accounts = accounts_of(captioner, opened, caption, explain)
    notes = account_notes(accounts, style)
    return {name: (account, notes[name]) for name, account in accounts.items()}


def accounts_of(captioner: Captioner, photo: Photo, caption: Caption, explain: str) -> dict[str, Caption]:
    """The caption with the maps of each account, by its name: attention's first, if asked for, or each layer's, the last its own."""
    attended = {} if explain == "gradients" else {ATTENTION: caption}
    if not caption.words or explain == ATTENTION:
        return attended
    plain = replace(caption, head_weights=None, sentinel=None, gate=None)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(captioner.model):
        if explain == "layers":
            below = [
                replace(plain, weights=maps, head_weights=heads) for maps, heads in _layers(captioner, photo, caption)
            ]
            layers = [*below, caption]
            return {f"layer {number} of {len(layers)}": layer for number, layer in enumerate(layers, 1)}
        maps = _maps_of_words(captioner, photo, caption, explain)
    return attended | {name: replace(plain, weights=weights) for name, weights in maps.items()}


def account_notes(accounts: Mapping[str, Caption], style: Style) -> dict[str, str]:
    """What each account is, and the word shown for which it differs most from attention: from that of the last layer, for layers."""
    layers = bool(accounts.keys() - ACCOUNTS)
    compared, called = (list(accounts)[-1], "the last layer") if layers else (ATTENTION, ATTENTION)
    notes = {name: ACCOUNTS.get(name, "where this layer attended; not its share in the word") for name in accounts}
    attended = accounts.get(compared)
    if attended is not None:
        own = f"the last layer: {ACCOUNTS[ATTENTION]}" if layers else ACCOUNTS[ATTENTION]
        notes[compared] = f"{own}; it {convention(attended)}"
    for name, caption in accounts.items():
        if attended is None or attended.weights is None or caption.weights is None or name == compared:
            continue
        apart = (scaled(attended.weights) - caption.weights).abs().sum(1) / 2  # (T,) total variation distance
        most = max(shown_words(caption, style), key=lambda position: float(apart[position]), default=None)
        if most is not None:
            share = f"{float(apart[most]):.0%} of the weight"
            notes[name] += f"; differs most from {called} at {caption.words[most]!r}, by {share}"
    return notes


def _regions(captioner: Captioner, photo: Photo) -> tuple[CaptionModel, Regions]:
    model = captioner.model
    assert isinstance(model, CaptionModel)
    pixels, _ = model.encoder.preprocess(open_photo(photo))
    with torch.no_grad():
        return model, model.regions(pixels[None].to(captioner.device))


def _encoded(captioner: Captioner, caption: Caption) -> Tensor:
    """(T + 2,): the caption between its marks."""
    return encode_captions([[caption.words]], captioner.vocabulary)[0, 0].to(captioner.device)


def _layers(captioner: Captioner, photo: Photo, caption: Caption) -> list[tuple[Tensor, Tensor | None]]:
    """Attention (T, R), and that of heads (T, N, R), of each layer below the last, whose attention is the caption's own."""
    model, regions = _regions(captioner, photo)
    maps = layer_maps(model, regions, _encoded(captioner, caption)[None, : len(caption.words)])
    real = regions.mask[0]
    return [
        (scaled(weights[0][:, real].float().cpu()), None if heads is None else heads[0][..., real].float().cpu())
        for weights, heads in maps[:-1]
    ]


def _maps_of_words(captioner: Captioner, photo: Photo, caption: Caption, explain: str) -> dict[str, Tensor]:
    """Maps (T, R) of each kind but attention, scaled to sum 1. Each word is explained given the words before it."""
    model, regions = _regions(captioner, photo)
    words, length = _encoded(captioner, caption)[None], len(caption.words)
    maps: dict[str, Tensor] = {}
    if explain in (POSTERIOR, "all") and has_posterior(model):
        maps[POSTERIOR] = posterior_maps(model, regions, words[:, : length + 1])[0]
    by_word = [_gradients(model, regions, words[:, : end + 1], explain) for end in range(1, length + 1)]
    maps |= {name: torch.stack([of_word[name][0] for of_word in by_word]) for name in by_word[0]}
    real = regions.mask[0]
    return {name: scaled(weights[:, real].float().cpu()) for name, weights in maps.items()}


def _gradients(model: CaptionModel, regions: Regions, prefix: Tensor, explain: str) -> dict[str, Tensor]:
    """Maps (1, R) from gradients of the last word of a prefix (1, T)."""
    if explain == POSTERIOR:
        return {}
    maps = gradient_maps(model, regions, prefix)
    return maps | (
        {INTEGRATED: integrated_gradients(model, regions, prefix, regions.mean()[0])} if explain == "all" else {}
    )
