"""A caption as an animation: the photo, then one map after another, while the words appear below.

Sizes are in pixels of the animation.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from PIL import Image

from captioner.errors import UserError
from captioner.files import replacing
from captioner.search.result import Caption
from captioner.visualize.drawing import (
    FAINT,
    INK,
    Drawing,
    Text,
    brief,
    column,
    framed,
    length,
    lines,
    patch,
    truncated,
)
from captioner.visualize.fonts import font_for, one_font
from captioner.visualize.legend import foot, shown_part, shown_words, word_notes
from captioner.visualize.overlay import Style, caption_metadata, fit, maps_over, panel_side

LARGE = Style(panel=400)
SECONDS = 0.8  # that each word is shown
ANIMATIONS = (".gif", ".webp")
_FOR_LEGEND = 80  # colours of a GIF's palette
_DESCRIPTION = 270  # EXIF tag
_LAST = 2.5  # seconds that the last word is shown


def frames(photo: Image.Image, caption: Caption, style: Style = LARGE) -> list[Image.Image]:
    """The photo, then a picture for each word, all of the same size. Words still to come are faint."""
    with one_font(caption.text):
        return _frames(photo, caption, style)[0]


def _frames(photo: Image.Image, caption: Caption, style: Style) -> tuple[list[Image.Image], int]:
    """The frames, and the height of the legend and of what is below it."""
    small = fit(photo, round(panel_side(photo, style.panel) ** 0.5 * style.panel**0.5))
    shown = shown_part(caption, style)
    maps = maps_over(photo, [shown], small.size, style)
    width = max(small.width, style.panel)
    legend = replace(style, panel=max(64, style.panel // 2))
    below = [] if maps[0] is None else [foot([caption], maps, width, legend)]
    over = None if maps[0] is None else maps[0].on(small)
    positions = shown_words(caption, style)
    pictures = [small, *(small if over is None else over(index) for index in range(len(positions)))]
    sentences = [_sentence(caption, -1, " ", width, style)]
    sentences += [_sentence(caption, position, _note(caption, position), width, style) for position in positions]
    tallest = max(sentence.height for sentence in sentences)  # the legend stands still below notes of any length
    sentences = [replace(sentence, height=tallest) for sentence in sentences]
    parts = zip(pictures, sentences, strict=True)
    blocks = [column([patch(picture), words, *below], style.panel // 25) for picture, words in parts]
    drawn = [framed(block, width, style.panel // 25) for block in blocks]
    legend_height = below[0].height + style.panel // 25 if below else 0
    looks = {"dark": style.dark, "letters": caption.text}
    return [replace(drawing, **looks).picture() for drawing in drawn], legend_height


def save_animation(path: str | Path, photo: Image.Image, caption: Caption, style: Style = LARGE) -> None:
    """Write a GIF or WebP that loops forever. The file is written completely or not at all."""
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ANIMATIONS:
        raise UserError(
            f"an animation is saved as a GIF or WebP, got {path.name!r}; choose a name that ends in .gif or .webp"
        )
    with one_font(caption.text):
        pictures, legend_height = _frames(photo, caption, style)
    durations = [round(1000 * SECONDS)] * (len(pictures) - 1) + [round(1000 * _LAST)]
    comment = json.dumps(caption_metadata(caption, style))
    if ending == ".gif":
        pictures = [_with_palette(picture, legend_height) for picture in pictures]
        options = {"comment": comment.encode()}
    else:
        description = Image.Exif()
        description[_DESCRIPTION] = comment
        options = {"exif": description, "quality": 90}
    with replacing(path) as temporary:
        pictures[0].save(
            temporary, ending[1:], save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options
        )


def _with_palette(picture: Image.Image, legend_height: int) -> Image.Image:
    """The picture in 256 colours. The legend has its own, since it is small and its scale would get few of the photo's."""
    if not legend_height:
        return picture.quantize(256, dither=Image.Dither.NONE)
    top = picture.height - legend_height
    above = picture.crop((0, 0, picture.width, top)).quantize(256 - _FOR_LEGEND)
    legend = picture.crop((0, top, *picture.size)).quantize(_FOR_LEGEND, Image.Quantize.MAXCOVERAGE)
    joined = Image.new("P", picture.size)
    first = [*(above.getpalette() or []), *[0] * 768][: 3 * (256 - _FOR_LEGEND)]
    joined.putpalette(first + (legend.getpalette() or []))
    joined.paste(Image.frombytes("P", above.size, above.tobytes()), (0, 0))
    shifted = bytes(index + 256 - _FOR_LEGEND for index in legend.tobytes())
    joined.paste(Image.frombytes("P", legend.size, shifted), (0, top))
    return joined


def _sentence(caption: Caption, index: int, note: str, width: int, style: Style) -> Drawing:
    """The words, faint if still to come, and a note on the word that is shown."""
    size, leftwards = style.panel / 20, _direction(caption.text) in _LEFTWARDS
    space = size / 3 if " " in caption.text else 0.0  # none where the words are characters
    ascent, descent = font_for(caption.text, size).getmetrics()
    step = round(1.3 * (ascent + descent))
    words = [truncated(brief(word), width, size) for word in caption.words]
    lengths = [length(word, size) for word in words]
    broken, marks = _lines_of(lengths, space, width), []
    for line, positions in enumerate(broken):
        along = 0.0
        for position in _from_the_right(positions, words) if leftwards else positions:
            left = width - along - lengths[position] if leftwards else along
            ink = INK if position <= index else FAINT
            marks.append(Text(left, ascent + line * step, words[position], size, ink))
            along += lengths[position] + space
    below = lines([note], width, style.panel / 25, FAINT)
    height = ascent + descent + (max(1, len(broken)) - 1) * step
    return column([Drawing(width, height, marks), below], style.panel // 50)


def _lines_of(lengths: Sequence[float], space: float, width: int) -> list[list[int]]:
    """The positions of the words in each line."""
    broken: list[list[int]] = []
    along = 0.0
    for position, across in enumerate(lengths):
        if not broken or along + across > width:
            broken.append([])
            along = 0.0
        broken[-1].append(position)
        along += across + space
    return broken


_LEFTWARDS = ("R", "AL")


def _direction(text: str) -> str:
    """Unicode's class of the first letter that has a direction: L, R or AL; empty if none has."""
    classes = (unicodedata.bidirectional(letter) for letter in text)
    return next((own for own in classes if own in ("L", *_LEFTWARDS)), "")


def _from_the_right(positions: Sequence[int], words: Sequence[str]) -> list[int]:
    """The words of a line as they follow from right to left: several in a row that are written from left to right are one phrase."""
    ordered: list[int] = []
    for is_phrase, group in groupby(positions, lambda position: _direction(words[position]) == "L"):
        own = list(group)
        ordered += own[::-1] if is_phrase else own
    return ordered


def _note(caption: Caption, index: int) -> str:
    probability = f"probability {float(caption.word_log_probs[index].exp()):.2f}"
    return " · ".join([brief(caption.words[index]), probability, *word_notes(caption, index)])
