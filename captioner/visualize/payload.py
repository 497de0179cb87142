"""The data for a page's script: photos as data URLs, captions as numbers, maps as one or two bytes for each region.

A byte holds the square root of a weight as a share of the largest one's: small weights, which `reveal` shows too, keep two digits.

Shapes: T words, R regions, N heads. Coordinates are in pixels of the original photo.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from captioner.encoders.preprocess import in_colour
from captioner.files import VERSION
from captioner.regions import Boxes, Grid, Layout, Placement
from captioner.search.result import Caption
from captioner.text.function_words import content_words
from captioner.visualize import colours, reveal
from captioner.visualize.maps import in_words, map_on_photo

CRISP = 128 * 128
"""Photos of up to this many pixels are stored without loss."""
SCRIPTS = ("paint.js", "styles.js", "radios.js", "stage.js", "view.js", "extras.js", "peers.js")
"""The scripts that all pages share, in this order."""
_OVERLAP_SIZE = 192  # longer side of the map that is searched for the largest sum of overlapping boxes


def as_data(photo: Image.Image, quality: int = 85) -> str:
    """An image as a data URL: JPEG, or PNG if it is tiny."""
    photo = in_colour(photo)
    stored = io.BytesIO()
    if photo.width * photo.height <= CRISP:
        kind = "png"
        photo.save(stored, "PNG", optimize=True)
    else:
        kind = "jpeg"
        photo.save(stored, "JPEG", quality=quality, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(stored.getvalue()).decode()}"


def caption_data(
    caption: Caption,
    tops: tuple[float, float],
    with_heads: bool = True,
    accounts: Mapping[str, tuple[Caption, str]] | None = None,
    words: str = "content",
    levels: int = 65535,
) -> dict[str, Any]:
    """A caption as data for the script.

    Args:
        tops: the largest weight of the maps, and of the heads' maps, over all captions that share a colour scale.
        with_heads: whether accounts have the maps of their heads.
        accounts: captions with other maps of the same words and what these are, by name; the caption's own maps alone if not given.
            The page starts with the caption's own, or with the first.
        words: whether `content` words or `all` stand out.
        levels: of a weight; 255 need half the space of 65535.
    """
    content = content_words(caption.words)
    data: dict[str, Any] = {
        "text": caption.text,
        "words": caption.words,
        "content": content if words == "content" and len(content) < len(caption.words) else None,
        "probabilities": _short(caption.word_log_probs.exp()),
        "logProb": _short_number(caption.log_prob),
        "confidence": _short_number(caption.confidence),
        "ended": caption.ended,
        "attend": caption.attend,
        "sentinel": None if caption.sentinel is None else _short(caption.sentinel),
        "gate": None if caption.gate is None else _short(caption.gate),
        "maps": False,
    }
    shown = accounts or {"attention": (caption, "")}
    drawn = {name: (account, note) for name, (account, note) in shown.items() if _drawable(account) is not None}
    if drawn:
        placement = next(iter(drawn.values()))[0].placement
        assert placement is not None
        own = next((index for index, (account, _) in enumerate(drawn.values()) if account is caption), 0)
        data |= {"maps": True, "own": own, "regions": _regions(caption.layout, placement)}
        data["accounts"] = [
            {
                "name": name,
                "note": note,
                "maps": packed(account.weights, tops[0], levels),
                **(_heads(account, tops[1]) if with_heads else {}),
            }
            for name, (account, note) in drawn.items()
            if account.weights is not None
        ]
    return data


def _heads(account: Caption, top: float) -> dict[str, Any]:
    """The maps of an account's heads, if it has several."""
    heads = account.head_weights
    return {} if heads is None or heads.shape[1] < 2 else {"heads": packed(heads, top), "numHeads": heads.shape[1]}


def _drawable(caption: Caption) -> tuple[Tensor, Placement] | None:
    """The maps and their placement, or None if there is nothing to draw."""
    if caption.weights is None or caption.placement is None or not caption.words:
        return None
    return caption.weights, caption.placement


def packed(weights: Tensor, top: float, levels: int = 255) -> dict[str, Any]:
    """Pack weights (..., R) into one byte each, or two for 65535 levels: the last level stands for `top`.

    Levels are even steps of the square root.
    """
    steps = ((weights.nan_to_num(0.0).clamp(min=0) / top).sqrt() * levels).round().clamp(0, levels)
    stored = steps.contiguous().numpy().astype("<u2" if levels > 255 else "u1").tobytes()
    return {"top": top, "levels": levels, "bytes": base64.b64encode(stored).decode()}


def largest(weights: Tensor | None) -> float:
    """The largest weight; 0 if there are none."""
    return 0.0 if weights is None or weights.numel() == 0 else float(weights.nan_to_num(0.0).max())


def largest_drawn(caption: Caption, weights: Tensor | None) -> float:
    """The end of the colour scale. Overlapping boxes may add up to more than any weight."""
    drawable = _drawable(caption)
    if isinstance(caption.layout, Grid) or drawable is None or weights is None:
        return largest(weights)
    placement = drawable[1]
    width, height = placement.photo_size
    factor = min(1.0, _OVERLAP_SIZE / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    drawn = map_on_photo(weights, caption.layout, placement, size)
    return max(largest(weights), largest(drawn))


def _regions(layout: Layout, placement: Placement) -> dict[str, Any]:
    """The regions on the photo: the edges of the network's view, and its rows and columns or its boxes."""
    view = placement.corners_on_photo(Grid(1, 1))[0].tolist()
    data = {"photoSize": list(placement.photo_size), "view": view, "inWords": in_words(layout)}
    if isinstance(layout, Boxes):
        corners = placement.corners_on_photo(layout)
        return data | {"boxes": [[round(edge, 3) for edge in box] for box in corners.tolist()]}
    return data | {"rows": layout.rows, "columns": layout.columns}


def _short(values: Tensor) -> list[float]:
    return [_short_number(value) for value in values.tolist()]


def _short_number(value: float) -> float:
    """Round to four digits. JSON has no infinite values: they become very large, and NaN becomes 0."""
    return float(f"{max(-1e30, min(1e30, value)):.4g}") if value == value else 0.0


def embedded(value: object, attributes: str = "") -> str:
    """A value as a script element that holds data. No text in it can close the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f'<script type="application/json"{attributes}>{text.replace("<", chr(92) + "u003c")}</script>'


def document(title: str, body: str, name: str) -> str:
    """Build a self-contained page, which loads nothing and may run only its own script.

    Args:
        name: of the page's own style and script, name.css and name.js, which follow the shared ones.
    """
    script = "\n".join(_part(file) for file in (*SCRIPTS, f"{name}.js"))
    return Template(_part("document.html")).substitute(
        title=escape(title),
        version=VERSION,
        style="\n".join(_part(file) for file in ("shared.css", f"{name}.css")),
        body=body,
        drawing=embedded(drawing_constants(), ' id="drawing"'),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def drawing_constants() -> dict[str, Any]:
    """The numbers of the styles of maps, so that the script draws what sheets draw."""
    table = bytes(colours.colour(torch.arange(256) / 255).contiguous().numpy())
    return {
        "colours": base64.b64encode(table).decode(),
        "cover": colours.COVER,
        "ground": colours.GROUND,
        "ratio": {"below": colours.BELOW.tolist(), "above": colours.ABOVE.tolist(), "ends": colours.RATIO_ENDS},
        "reveal": {
            "contour": reveal.CONTOUR, "shade": reveal.SHADE, "least": reveal.LEAST, "gamma": reveal.GAMMA,
            "light": reveal.LIGHT, "most": reveal.MOST, "unseen": reveal.UNSEEN, "edge": reveal.EDGE,
        },
    }  # fmt: skip


def _part(name: str) -> str:
    return (files("captioner.visualize") / "web" / name).read_text(encoding="utf-8").replace("\r\n", "\n")
