"""A caption's maps over the photo, as shared by sheets, strips and animations.

Shapes: T words, R regions, N heads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from PIL import ExifTags, Image
from torch import Tensor

from captioner.encoders.preprocess import Photo, in_colour, open_photo
from captioner.files import VERSION
from captioner.regions import Grid, Layout
from captioner.search.result import Caption
from captioner.visualize.maps import check_photo, map_on_photo
from captioner.visualize.painters import PAINTERS, Weights, as_picture

_LARGEST_PANEL = 4096  # pixels


@dataclass(frozen=True)
class Style:
    """How maps are drawn."""

    panel: int = 224  # the longer side of a photo under a map, in pixels; text and spacing scale with it
    smooth: bool = False  # interpolate between the cells' centres; the legend then says so
    scale: Literal["caption", "word"] = (
        "caption"  # `cells` alone: colours end at the largest weight of all words or of each
    )
    kind: Literal["reveal", "cells", "ratio"] = "reveal"  # see painters.py
    words: Literal["content", "all"] = "content"  # whether function words have maps too
    dark: bool = False  # light text on dark paper

    def __post_init__(self) -> None:
        for name, allowed in {
            "scale": ("caption", "word"),
            "kind": tuple(PAINTERS),
            "words": ("content", "all"),
        }.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} should be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not isinstance(self.panel, int) or not 64 <= self.panel <= _LARGEST_PANEL:
            raise ValueError(
                f"panel should be 64 to {_LARGEST_PANEL:,} whole pixels, got {self.panel!r}; the default is 224"
            )
        if self.scale == "word" and self.kind != "cells":
            raise ValueError(
                f"a scale for each word needs kind='cells', got {self.kind!r}, whose scale is the same for all pictures; "
                "choose kind='cells', or leave scale out"
            )


USUAL = Style()


@dataclass(frozen=True)
class Maps:
    """Maps over one photo at its drawn size."""

    drawn: Tensor  # (..., height, width)
    tops: Tensor  # (...) the largest values of their scales
    uniform: Tensor  # (height, width), a uniform map
    layout: Layout
    style: Style

    def on(self, photo: Image.Image) -> Callable[..., Image.Image]:
        """Give a function from the index of a map to the photo under it."""
        painter, regions = PAINTERS[self.style.kind], self.layout.num_regions
        ground, line = painter.ground(photo), self._line()

        def over(*index: int) -> Image.Image:
            weights = Weights(self.drawn[index], self.uniform, float(self.tops[index]), regions)
            return as_picture(painter.paint(ground, weights, line))

        return over

    @property
    def largest_multiple(self) -> float:
        """The largest weight drawn, as a multiple of a uniform map's."""
        return float((self.drawn / torch.where(self.uniform > 0, self.uniform, torch.nan)).nan_to_num(0.0).max())

    def _line(self) -> int:
        """The width of contours: thin on small pictures and where cells are small or flat."""
        height, width = self.uniform.shape
        rows, columns = (self.layout.rows, self.layout.columns) if isinstance(self.layout, Grid) else (1, 1)
        side, flattest = max(height, width), min(height / rows, width / columns)
        return max(1, round(min(side / 112, side / max(rows, columns) / 12, flattest / 8)))


TINY = 128
"""Photos whose longer side has at most this many pixels are enlarged without blurring."""


def picture_of(photo: Photo) -> Image.Image:
    """The photo, upright; a picture without a rotation stays as it is."""
    if isinstance(photo, Image.Image) and photo.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return photo
    return open_photo(photo)


def fit(photo: Image.Image, longer_side: int) -> Image.Image:
    """Scale the photo to this longer side, keeping its proportions. A tiny photo keeps its crisp pixels."""
    factor = longer_side / max(photo.size)
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    photo = in_colour(photo)
    if factor >= 1:
        return photo.resize(size, Image.Resampling.NEAREST if max(photo.size) <= TINY else Image.Resampling.BICUBIC)
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
        even = torch.full((caption.layout.num_regions,), 1 / max(1, caption.layout.num_regions))
        uniform = map_on_photo(even, caption.layout, caption.placement, size, style.smooth)
        drawn = map_on_photo(weights, caption.layout, caption.placement, size, style.smooth)
        tops = torch.maximum(weights.amax(-1), drawn.nan_to_num(0.0).amax((-2, -1)))
        results.append(Maps(drawn, torch.where(tops > 0, tops, 1.0), uniform, caption.layout, style))
    if style.scale == "caption":
        top = max((float(maps.tops.max()) for maps in results if maps is not None), default=1.0)
        results = [maps and replace(maps, tops=torch.full_like(maps.tops, top)) for maps in results]
    return results


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
        "software": f"captioner {VERSION}",
        "caption": caption.text,
        "attend": caption.attend if caption.weights is not None else "not at all",
        "convention": convention(caption),
        "layout": json.dumps(regions),
        "drawn": "smooth" if style.smooth else "cells",
        "style": style.kind,
        "colour scale": f"one for each {style.scale}" if style.kind == "cells" else "multiples of a uniform map",
        "words": json.dumps(caption.words, ensure_ascii=False),
        **({"unlike training": f"{caption.unlike_training:.3f}"} if caption.unlike_training is not None else {}),
        "probabilities": _as_json(caption.word_log_probs.exp()),
        **{name: _as_json(values) for name, values in shares.items() if values is not None},
    }


def _as_json(values: Tensor) -> str:
    return json.dumps([round(value, 4) for value in values.tolist()])


def __getattr__(name: str) -> Any:
    from captioner.moved import earlier_name

    return earlier_name(__name__, name)
