"""The styles of maps: how weights become pixels over the photo, and the scale that explains them.

`reveal` keeps the photo in colour and darkens it below the weight of a uniform map (reveal.py). `cells` covers the photo in grey by the
colours of one scale from 0 to the largest weight (colours.py). `ratio` covers it by two colours: more than uniform, and less.

To add one: write a class that meets `Painter`, then add it to PAINTERS.

Shapes: pictures are (height, width, 3), 0 to 255; maps (height, width), NaN outside the network's view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from captioner.visualize.colours import RATIO_ENDS, covered, diverging, hatched
from captioner.visualize.drawing import FAINT, Drawing, Patch, column, lines, patch, row, shifted
from captioner.visualize.reveal import CONTOUR, pixels_of, revealed

_SAMPLE, _FRAME = 150.0, 128.0  # grey of the photo in a legend, and of the line around the scale
_DIGITS = 5  # of a number in a legend, at most
_UP_TO_ONE = 1 / 3
"""The share of a legend's bar that shows multiples up to 1; the rest shows larger ones, on a logarithmic scale."""


@dataclass(frozen=True)
class Weights:
    """A map, and what its weights are compared with."""

    drawn: Tensor  # (height, width)
    uniform: Tensor  # (height, width), a uniform map drawn in the same way
    top: float  # the largest weight on the scale
    num_regions: int

    @property
    def multiples(self) -> Tensor:
        """The multiple of a uniform map's weight; NaN also where no box lies."""
        return self.drawn / torch.where(self.uniform > 0, self.uniform, torch.nan)


@dataclass(frozen=True)
class Scale:
    """What the legend of a style says of its maps."""

    top: float  # the largest weight
    multiple: float  # the largest multiple of a uniform map's weight
    uniform: str  # the weight of a uniform map
    num_regions: int
    own: bool  # whether each word has a scale of its own
    panel: int  # size of the legend's bar, in pixels


class Painter(Protocol):
    """One style of maps."""

    def ground(self, photo: Image.Image) -> Tensor:
        """What lies under the maps of a photo, computed once."""
        ...

    def paint(self, ground: Tensor, weights: Weights, line: int) -> Tensor:
        """The photo under a map. `line` is the width of contours, in pixels."""
        ...

    def scale(self, scale: Scale) -> list[Drawing]:
        """The parts of the legend that explain the weights."""
        ...


class Reveal:
    """The photo in colour, darker where the weight is below that of a uniform map, with a line around the largest weights."""

    def ground(self, photo: Image.Image) -> Tensor:
        return pixels_of(photo)

    def paint(self, ground: Tensor, weights: Weights, line: int) -> Tensor:
        return revealed(ground, weights.multiples, weights.num_regions, line)

    def scale(self, scale: Scale) -> list[Drawing]:
        top = max(1.0, round(scale.multiple, _DIGITS - 1))
        steps = torch.linspace(0, 1, scale.panel)
        below = steps / (_UP_TO_ONE if top > 1 else 1)
        above = top ** ((steps - _UP_TO_ONE) / (1 - _UP_TO_ONE))
        multiples = torch.where(below <= 1, below, above).expand(_thickness(scale), -1)
        sample = torch.full((*multiples.shape, 3), _SAMPLE)
        bar = revealed(sample, multiples, scale.num_regions, 1)
        outlined = f"; outlined from {CONTOUR:g} on" if top >= CONTOUR else ""
        note = f"1: a uniform map ({scale.uniform}), as the photo is{outlined}"
        marks = {0.0: "0", 1.0: _unlike(top, ["1", f"{CONTOUR:g}"]) if top > 1 else "1"}
        if top > 1:
            marks |= {_UP_TO_ONE: "1"}
        if top > CONTOUR:
            marks |= {_UP_TO_ONE + (1 - _UP_TO_ONE) * math.log(CONTOUR) / math.log(top): f"{CONTOUR:g}"}
        return _bar("weight / uniform", bar, marks, note, scale)


class Cells:
    """The photo in grey under the colours of one scale, from 0 to the largest weight."""

    def ground(self, photo: Image.Image) -> Tensor:
        grey = photo.convert("L")
        return torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(grey.height, grey.width, 1).float()

    def paint(self, ground: Tensor, weights: Weights, line: int) -> Tensor:
        unseen = weights.drawn.isnan()[..., None]
        return torch.where(unseen, hatched(ground), covered(ground, weights.drawn / weights.top))

    def scale(self, scale: Scale) -> list[Drawing]:
        shares = torch.linspace(0, 1, scale.panel).expand(_thickness(scale), -1)
        bar = covered(torch.full((*shares.shape, 1), 128.0), shares)
        share = 1 / (scale.num_regions * scale.top)  # of a uniform map
        others = scale.uniform.split(" or ") if abs(share - 1) > 10**-_DIGITS else []
        end = "the word's own largest" if scale.own else _unlike(scale.top, others)
        note = ""
        if not scale.own and share <= 1:
            bar[:, round(share * (scale.panel - 1))] = (
                0.0 if share < 0.5 else 255.0
            )  # the scale begins with light colours
            note = f"line: a uniform map, {scale.uniform}"
        return _bar("weight", bar, {0.0: "0", 1.0: end}, note, scale)


class Ratio(Cells):
    """The photo in grey under two colours: orange above the weight of a uniform map, purple below, nothing at it."""

    def paint(self, ground: Tensor, weights: Weights, line: int) -> Tensor:
        multiples = weights.multiples
        return torch.where(
            multiples.isnan()[..., None], hatched(ground), diverging(ground, multiples.log2() / RATIO_ENDS)
        )

    def scale(self, scale: Scale) -> list[Drawing]:
        steps = torch.linspace(-1, 1, scale.panel).expand(_thickness(scale), -1)
        bar = diverging(torch.full((*steps.shape, 1), 128.0), steps)
        most = 2**RATIO_ENDS
        marks = {0.0: f"1/{most}", 0.5: "1", 1.0: f"{most}", 1 / 6: "1/4", 1 / 3: "1/2", 2 / 3: "2", 5 / 6: "4"}
        note = f"1: a uniform map ({scale.uniform}), no colour; largest: {_unlike(scale.multiple, ['1'])}"
        return _bar("weight / uniform", bar, marks, note, scale)


PAINTERS: dict[str, Painter] = {"reveal": Reveal(), "cells": Cells(), "ratio": Ratio()}


def unseen_key(painter: Painter, text: str, panel: int) -> Drawing:
    """A sample of what the network did not see, and its meaning."""
    side = max(6, panel // 18)
    nothing = torch.full((side, 2 * side), torch.nan)
    ground = painter.ground(Image.new("RGB", (2 * side, side), (128, 128, 128)))
    sample = as_picture(painter.paint(ground, Weights(nothing, nothing, 1.0, 1), 0))
    return row([patch(sample), lines([text], 4 * panel, panel / 16, FAINT)], panel // 28, centred=True)


def as_picture(pixels: Tensor) -> Image.Image:
    height, width, _ = pixels.shape
    return Image.frombytes("RGB", (width, height), bytes(pixels.round().to(torch.uint8).contiguous().numpy()))


def _unlike(value: float, others: Sequence[str]) -> str:
    """A number with two digits, or with as many as set it apart from others of the legend."""
    texts = [f"{value:.{digits}g}" for digits in range(2, _DIGITS + 1)]
    return next((text for text in texts if text not in others), texts[0])


def _thickness(scale: Scale) -> int:
    return max(6, scale.panel // 18)


def _bar(name: str, bar: Tensor, marks: dict[float, str], note: str, scale: Scale) -> list[Drawing]:
    """The scale beside its name, with texts below it at shares of its length, then the note. Of texts that overlap, the first is drawn."""
    size, gap = scale.panel / 16, scale.panel // 28
    texts = [(share, lines([text], 3 * scale.panel, size, FAINT)) for share, text in marks.items()]
    left = texts[0][1].width / 2
    placed, taken = [], []
    for share, text in texts:
        start = left + share * scale.panel - text.width / 2
        if all(start > end or start + text.width < begin for begin, end in taken):
            placed += shifted(text, start, 0)
            taken.append((start - size / 3, start + text.width + size / 3))
    below = Drawing(round(max(end for _, end in taken)), texts[0][1].height, placed)
    framed = torch.full((bar.shape[0] + 2, bar.shape[1] + 2, 3), _FRAME)  # dark colours end somewhere on dark paper too
    framed[1:-1, 1:-1] = bar
    beam = Drawing(below.width, framed.shape[0], [Patch(left - 1, 0, as_picture(framed))])
    named = row([lines([name], 3 * scale.panel, size, FAINT), column([beam, below], 2)], 2 * gap)
    return [named, lines([note], 3 * scale.panel, size, FAINT)] if note else [named]
