"""Which words of a caption are shown, what is said of their maps, and the legend below a picture.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from captioner.search.result import Caption
from captioner.text.function_words import content_words
from captioner.visualize.drawing import FAINT, Drawing, column, flowing_rows, lines
from captioner.visualize.maps import in_words
from captioner.visualize.overlay import Maps, Style, convention
from captioner.visualize.painters import PAINTERS, Scale, unseen_key

EVERYWHERE = 0.9
"""A decoder looked everywhere if its effective number of regions is at least this share of all."""


_NOTED = 0.005  # of the weight beside the photo, at least


def shown_words(caption: Caption, style: Style) -> list[int]:
    """Positions of the words that get a map; of all words if there are no maps."""
    if style.words == "all" or caption.weights is None:
        return list(range(len(caption.words)))
    return content_words(caption.words)


def shown_part(caption: Caption, style: Style) -> Caption:
    """The caption with the words that get a map alone; its text stays."""
    positions = shown_words(caption, style)
    values = {
        name: getattr(caption, name) for name in ("word_log_probs", "weights", "head_weights", "sentinel", "gate")
    }
    selected = {name: None if value is None else value[positions] for name, value in values.items()}
    return replace(caption, words=[caption.words[position] for position in positions], **selected)


def effective_regions(caption: Caption) -> list[float]:
    """(T,): exp of the entropy of each word's map, scaled to sum 1: from 1 to R; 0 for a map that is 0 everywhere."""
    if caption.weights is None:
        return []
    sums = caption.weights.sum(1, keepdim=True)
    numbers = torch.special.entr(caption.weights / torch.where(sums > 0, sums, 1)).sum(1).exp()
    return torch.where(sums[:, 0] > 0, numbers, 0.0).tolist()


def word_notes(caption: Caption, position: int) -> list[str]:
    """What is said of a word's map: its largest weight, how many regions it covers, what of it lies beside the photo, and the shares of
    sentinel and gate.
    """
    notes = []
    if caption.weights is not None:
        regions, weights = caption.layout.num_regions, caption.weights[position]
        number = effective_regions(caption)[position]
        spread = f"{number:.0f} of {regions} regions"
        largest = float(weights.max()) * regions
        everywhere = number >= EVERYWHERE * regions
        notes = ["looked everywhere" if everywhere else f"{largest:.2g} x uniform", spread]
        if not weights.any():
            notes = ["no region raised it", "the map is 0"]
        beside = float(weights[beside_photo(caption)].sum() / weights.sum().clamp(min=1e-12))
        notes += [f"{beside:.0%} beside the photo"] if beside >= _NOTED else []
    shares = {"sentinel": caption.sentinel, "gate": caption.gate}
    return notes + [f"{name} {float(values[position]):.2f}" for name, values in shares.items() if values is not None]


def beside_photo(caption: Caption) -> Tensor:
    """(R,): the regions in which no part of the photo lies, such as those on the bars of a letterbox."""
    if caption.placement is None:
        return torch.zeros(caption.layout.num_regions, dtype=torch.bool)
    return ~caption.placement.sees(caption.layout)


def foot(
    captions: Sequence[Caption], maps: Sequence[Maps | None], width: int, style: Style, with_convention: bool = True
) -> Drawing:
    """The legend: the scale with its numbers, then notes on the maps. Maps from gradients have no convention of attention."""
    shown = [(caption, own) for caption, own in zip(captions, maps, strict=True) if own is not None]
    painter, all_maps = PAINTERS[style.kind], [own for _, own in shown]
    uniforms = dict.fromkeys(f"{1 / own.layout.num_regions:.2g}" for own in all_maps)
    multiple = max(own.largest_multiple for own in all_maps)
    top = max(float(own.tops.max()) for own in all_maps)
    regions = min(own.layout.num_regions for own in all_maps)
    keys = painter.scale(Scale(top, multiple, " or ".join(uniforms), regions, style.scale == "word", style.panel))
    unseen = [text for text, is_so in _UNSEEN.items() if any(is_so(own) for own in all_maps)]
    keys += [unseen_key(painter, ", or ".join(unseen), style.panel)] if unseen else []
    rows = flowing_rows(keys, width, style.panel // 8)
    notes = lines([" · ".join(_notes(shown, style, with_convention))], width, style.panel / 16, FAINT)
    return column([*rows, notes], style.panel // 14)


_UNSEEN: dict[str, Callable[[Maps], bool]] = {
    "not seen by the network": lambda maps: bool(maps.drawn.isnan().any()),
    "in no box": lambda maps: maps.style.kind != "cells" and bool((maps.uniform == 0).any()),
}


def _notes(shown: Sequence[tuple[Caption, Maps]], style: Style, with_convention: bool) -> Iterator[str]:
    captions = [caption for caption, _ in shown]
    if with_convention:
        yield from dict.fromkeys(convention(caption) for caption in captions)
    overlap = (
        "weights added where they overlap" if style.kind == "cells" else "the mean of their weights where they overlap"
    )
    yield from dict.fromkeys(in_words(caption.layout, overlap) for caption in captions)
    yield "x uniform: largest weight of the word; regions: effective number, exp(entropy)"
    without = dict.fromkeys(word for caption in captions for word in _without_maps(caption, style))
    if without:
        yield f"words without a map: {', '.join(without)}"
    if style.smooth:
        yield "interpolated between the regions' centres: finer than what the network saw"
    if any(caption.sentinel is not None for caption in captions):
        yield "sentinel: share given to the language model"
    if any(caption.gate is not None for caption in captions):
        yield "gate: mean of the gate on the context"


def _without_maps(caption: Caption, style: Style) -> list[str]:
    shown = set(shown_words(caption, style))
    return [word for position, word in enumerate(caption.words) if position not in shown]
