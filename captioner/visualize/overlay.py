"""A caption's maps over the photo and their legend, as shared by sheets, strips and animations.

Shapes: T words, R regions, N heads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from captioner.regions import Grid
from captioner.search.result import Caption
from captioner.visualize.colours import covered, hatched
from captioner.visualize.drawing import FAINT, INK, Drawing, column, flowing_rows, lines, patch, row
from captioner.visualize.maps import check_photo, in_words, map_on_photo


@dataclass(frozen=True)
class Style:
    """How maps are drawn."""

    panel: int = 224  # the longer side of a photo under a map, in pixels; text and spacing scale with it
    smooth: bool = False  # interpolate between the cells' centres; the legend then says so
    scale: Literal["caption", "word"] = (
        "caption"  # whether the colour scale ends at the largest weight of all words or of each
    )

    def __post_init__(self) -> None:
        if self.panel < 64:
            raise ValueError(
                f"panel needs at least 64 pixels for its text to be readable, got {self.panel}; the default is 224"
            )


USUAL = Style()
_MARK = 5  # height of the mark below a colour scale, in pixels


@dataclass(frozen=True)
class Maps:
    """Maps over one photo at its drawn size, and the largest values of their colour scales."""

    drawn: Tensor  # (..., height, width)
    tops: Tensor  # (...)

    def over(self, grey: Tensor, *index: int) -> Image.Image:
        """The photo in grey (height, width, 1) under one of the maps."""
        weights = self.drawn[index]
        pixels = covered(grey, weights / self.tops[index])
        return as_picture(torch.where(weights.isnan()[..., None], hatched(grey), pixels))


def fit(photo: Image.Image, longer_side: int) -> Image.Image:
    """Scale the photo to this longer side, keeping its proportions. A small photo is enlarged without blurring."""
    factor = longer_side / max(photo.size)
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    photo = photo if photo.mode == "RGB" else photo.convert("RGB")
    if factor >= 1:
        return photo.resize(size, Image.Resampling.NEAREST)
    return photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def panel_side(photo: Image.Image, panel: int) -> int:
    """The longer side of a panel. A panorama gets up to four times the usual one, or its map would be a line."""
    longer, shorter = max(photo.size), min(photo.size)
    return round(panel * min(4, max(1, longer / (3 * shorter))))


def in_a_row(max_panels: int, width: int, panel: int) -> int:
    """The number of tiles of this width that fit where `max_panels` usual panels do."""
    return max(1, min(max_panels, max_panels * panel // max(1, width)))


def maps_over(
    photo: Image.Image, captions: Sequence[Caption], size: tuple[int, int], style: Style, heads: bool = False
) -> list[Maps | None]:
    """Each caption's maps (T, height, width), or those of its heads (T, N, height, width); None for a caption without maps.

    There is one colour scale for all words of all captions, or one for each word. It ends at the largest value drawn or the largest
    weight: overlapping boxes may add up to more than any weight.
    """
    results: list[Maps | None] = []
    for caption in captions:
        check_photo(photo, caption)
        weights = caption.head_weights if heads else caption.weights
        if weights is None or caption.placement is None or not caption.words:
            results.append(None)
            continue
        drawn = map_on_photo(weights, caption.layout, caption.placement, size, style.smooth)
        tops = torch.maximum(weights.amax(-1), drawn.nan_to_num(0.0).amax((-2, -1)))
        results.append(Maps(drawn, torch.where(tops > 0, tops, 1.0)))
    if style.scale == "caption":
        top = max((float(maps.tops.max()) for maps in results if maps is not None), default=1.0)
        results = [maps and Maps(maps.drawn, torch.full_like(maps.tops, top)) for maps in results]
    return results


def grey_of(picture: Image.Image) -> Tensor:
    """The picture in grey: (height, width, 1), 0 to 255."""
    grey = picture.convert("L")
    return torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(grey.height, grey.width, 1).float()


def as_picture(pixels: Tensor) -> Image.Image:
    height, width, _ = pixels.shape
    return Image.frombytes("RGB", (width, height), bytes(pixels.round().to(torch.uint8).contiguous().numpy()))


def convention(caption: Caption) -> str:
    """Whether the state that attended had read the previous word, which a map's meaning depends on."""
    if caption.weights is None:
        return "this decoder has no attention"
    return f"attended {caption.attend} reading the previous word"


def caption_metadata(caption: Caption, style: Style) -> dict[str, str]:
    """The metadata of a picture's file."""
    layout = caption.layout
    regions = (
        {"rows": layout.rows, "columns": layout.columns} if isinstance(layout, Grid) else {"boxes": layout.num_regions}
    )
    shares = {"sentinel": caption.sentinel, "gate": caption.gate}
    return {
        "caption": caption.text,
        "attend": caption.attend if caption.weights is not None else "not at all",
        "convention": convention(caption),
        "layout": json.dumps(regions),
        "drawn": "smooth" if style.smooth else "cells",
        "colour scale": f"one for each {style.scale}",
        "words": json.dumps(caption.words, ensure_ascii=False),
        **({"unlike training": f"{caption.unlike_training:.3f}"} if caption.unlike_training is not None else {}),
        "probabilities": _as_json(caption.word_log_probs.exp()),
        **{name: _as_json(values) for name, values in shares.items() if values is not None},
    }


def _as_json(values: Tensor) -> str:
    return json.dumps([round(value, 4) for value in values.tolist()])


def foot(captions: Sequence[Caption], maps: Sequence[Maps | None], width: int, style: Style) -> Drawing:
    """The legend: the colour scale with its numbers, then notes on the maps."""
    shown = [(caption, own) for caption, own in zip(captions, maps, strict=True) if own is not None]
    keys = _scale(shown[0][0], float(shown[0][1].tops.max()), style)
    if any(own.drawn.isnan().any() for _, own in shown):
        keys.append(_key("not seen by the network", style.panel))
    notes = list(dict.fromkeys(convention(caption) for caption, _ in shown))
    notes += dict.fromkeys(in_words(caption.layout) for caption, _ in shown)
    if style.smooth:
        notes.append("interpolated between the regions' centres: finer than what the network saw")
    if any(caption.sentinel is not None for caption, _ in shown):
        notes.append("sentinel: share given to the language model")
    if any(caption.gate is not None for caption, _ in shown):
        notes.append("gate: mean of the gate on the context")
    rows = flowing_rows(keys, width, style.panel // 8)
    return column([*rows, lines([" · ".join(notes)], width, style.panel / 16, FAINT)], style.panel // 14)


def _scale(caption: Caption, top: float, style: Style) -> list[Drawing]:
    """The colours on mid-grey between their numbers, with a mark at the weight of a uniform map."""
    bar_length, thickness, size = style.panel, max(6, style.panel // 18), style.panel / 16
    shares = torch.linspace(0, 1, bar_length).expand(thickness, -1)
    pixels = covered(torch.full((thickness, bar_length, 1), 128.0), shares)  # (thickness, bar_length, 3)
    uniform = 1 / max(1, caption.layout.num_regions)
    marked = style.scale == "caption" and uniform <= top
    if marked:
        below = torch.full((_MARK, bar_length, 3), 255.0)
        position = min(bar_length - 2, round(uniform / top * bar_length))
        below[:, position : position + 2] = torch.tensor(INK, dtype=torch.float32)
        pixels = torch.cat([pixels, below])
    ends = ("0", f"{top:.2g}") if style.scale == "caption" else ("0", "the word's own largest")
    texts = [lines([text], 2 * style.panel, size, FAINT) for text in ("weight", *ends)]
    bar = row([texts[0], texts[1], patch(as_picture(pixels)), texts[2]], style.panel // 28, centred=True)
    if not marked:
        return [bar]
    note = lines([f"mark below: a uniform map ({uniform:.2g})"], 2 * style.panel, size, FAINT)
    return [bar, note]


def _key(text: str, panel: int) -> Drawing:
    """A hatched sample and its meaning."""
    side = max(6, panel // 18)
    sample = patch(as_picture(hatched(torch.full((side, 2 * side, 1), 128.0))))
    return row([sample, lines([text], 4 * panel, panel / 16, FAINT)], panel // 28, centred=True)
