"""One picture for one caption: the photo, then for each word the photo under the map of where the decoder looked.

Every map of a sheet has the same colour scale, from 0 to the largest weight. Cells are drawn as cells, on the photo's
own proportions; what the network never saw is hatched.

Shapes: T words, R regions. Sizes are (width, height) in pixels of the sheet, unless said otherwise.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from captioner.errors import UserError
from captioner.files import replacing
from captioner.regions import Grid
from captioner.search.caption import Caption
from captioner.visualize.colours import COVER, colour
from captioner.visualize.maps import check_photo, in_words, map_on_photo

PAPER, INK, FAINT = (255, 255, 255), (28, 30, 34), (112, 117, 125)
COLUMNS = 6  # panels in a row, at most
SMALLEST = 0.7  # a long word is set this much smaller before it is cut


def sheet(photo: Image.Image, caption: Caption, panel: int = 224) -> Image.Image:
    """The photo, then one panel a word: the word, its probability, and where the decoder looked for it.

    Args:
        photo: The original, its EXIF rotation already applied.
        caption: What decoding gave for it.
        panel: The longer side of a panel, in pixels; text and spacing follow it.
    """
    _check(photo, caption, panel)
    small = _fit(photo, panel)
    maps, top = _maps(caption, small.size)
    first = _tile(small, "photo", f"{photo.width} x {photo.height}", [], panel, quiet=True)
    tiles = [_word_tile(small, caption, index, maps, top, panel) for index in range(len(caption.words))]
    gap = panel // 12
    if maps is None:
        message = _lines(["this decoder does not look"], 2 * panel, _font(panel / 14), FAINT)
        body = [_row([first, message] if caption.weights is None else [first], gap, centred=True), *_flow(tiles, gap)]
    else:
        body = _flow([first, *tiles], gap)
    width = max(2 * panel + gap, *(block.width for block in body))
    title = _lines([caption.text or "(a caption without words)"], width, _font(panel / 9), INK)
    foot = [] if maps is None else _foot(caption, maps, top, width, panel)
    return _framed(_column([title, *body, *foot], round(1.2 * gap)), width, round(1.5 * gap))


def save_sheet(path: str | Path, photo: Image.Image, caption: Caption, panel: int = 224) -> None:
    """Write the sheet as a PNG that also says in text what it shows. The file appears whole or not at all."""
    save_picture(path, sheet(photo, caption, panel), _description(caption))


def save_picture(path: str | Path, picture: Image.Image, texts: PngImagePlugin.PngInfo | None = None) -> None:
    """Write a PNG, whole or not at all."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UserError(f"a sheet is saved as a PNG, got {path.name!r}; choose a name that ends in .png")
    with replacing(path) as beside:
        picture.save(beside, format="PNG", pnginfo=texts)


def contact(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets below one another on one picture."""
    if not sheets:
        raise ValueError("contact() needs at least one sheet, got none; make them with sheet(photo, caption)")
    return _framed(_column(sheets, 0), max(each.width for each in sheets), 0)


def _check(photo: Image.Image, caption: Caption, panel: int) -> None:
    if panel < 64:
        raise ValueError(f"panel needs at least 64 pixels for its text to be readable, got {panel}; 224 is the usual")
    check_photo(photo, caption)


def _fit(photo: Image.Image, longer_side: int) -> Image.Image:
    """The photo with its longer side as asked, its proportions kept; a small one keeps its crisp pixels."""
    factor = longer_side / max(photo.size)
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    photo = photo if photo.mode == "RGB" else photo.convert("RGB")
    if factor >= 1:
        return photo.resize(size, Image.Resampling.NEAREST)
    return photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _maps(caption: Caption, size: tuple[int, int]) -> tuple[Tensor | None, float]:
    """(T, height, width) and the top of the colour scale; overlapping boxes may add up to more than any weight."""
    if caption.weights is None or caption.placement is None or not caption.words:
        return None, 1.0
    maps = map_on_photo(caption.weights, caption.layout, caption.placement, size)
    top = max(float(caption.weights.max()), float(maps.nan_to_num(0.0).max()))
    return maps, top if top > 0 else 1.0


def _pixels(picture: Image.Image) -> Tensor:
    """(height, width, 1) of a picture in grey, 0 to 255."""
    grey = picture.convert("L")
    return torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(grey.height, grey.width, 1).float()


def _picture(pixels: Tensor) -> Image.Image:
    height, width, _ = pixels.shape
    return Image.frombytes("RGB", (width, height), bytes(pixels.round().to(torch.uint8).contiguous().numpy()))


def _under_map(photo: Image.Image, weights: Tensor, top: float) -> Image.Image:
    """The photo in grey under one map (height, width)."""
    grey = _pixels(photo)  # (height, width, 1)
    covered = _covered(grey, weights / top)  # (height, width, 3)
    return _picture(torch.where(weights.isnan()[..., None], _hatched(grey), covered))


def _covered(grey: Tensor, share: Tensor) -> Tensor:
    """Grey (height, width, 1) under the colours of a share (height, width) of the top weight: (height, width, 3).

    A larger weight is also more opaque, so that the photo stays readable where the decoder did not look.
    """
    low, high = COVER
    cover = low + (high - low) * share.nan_to_num(0.0)[..., None]
    return torch.lerp(30 + 0.88 * grey, colour(share).float(), cover)


def _hatched(grey: Tensor) -> Tensor:
    """The look of what the network never saw: faded towards the paper, with slanted lines."""
    height, width, _ = grey.shape
    line = (torch.arange(height)[:, None] + torch.arange(width)) % 8 < 1
    faded = 255 - 0.3 * (255 - grey)
    return torch.where(line[..., None], faded - 60, faded).clamp(min=0).expand(-1, -1, 3)  # (height, width, 3)


def _word_tile(
    photo: Image.Image, caption: Caption, index: int, maps: Tensor | None, top: float, panel: int
) -> Image.Image:
    shares = {"sentinel": caption.sentinel, "gate": caption.gate}
    notes = [f"{name} {float(values[index]):.2f}" for name, values in shares.items() if values is not None]
    probability = f"{float(caption.word_log_probs[index].exp()):.2f}"
    picture = None if maps is None else _under_map(photo, maps[index], top)
    return _tile(picture, caption.words[index], probability, notes, panel)


def _tile(
    picture: Image.Image | None, word: str, number: str, notes: list[str], panel: int, quiet: bool = False
) -> Image.Image:
    """A word and its number over a picture, notes below it."""
    width = max(picture.width if picture else panel // 2, round(0.55 * panel))
    blocks = [_label(word, number, width, panel, quiet)]
    blocks += [picture] if picture else []
    blocks += [_lines(notes, width, _font(panel / 17), FAINT)] if notes else []
    return _column(blocks, panel // 40)


def _label(word: str, number: str, width: int, panel: int, quiet: bool) -> Image.Image:
    small = _font(panel / 17)
    room = width - small.getlength(number) - panel / 28
    word, font = _shortened(word, room, panel / 12.5)
    ascent, descent = _font(panel / 12.5).getmetrics()
    label = Image.new("RGB", (width, ascent + descent), PAPER)
    draw = ImageDraw.Draw(label)
    draw.text((0, ascent), word, FAINT if quiet else INK, font, anchor="ls")
    draw.text((width, ascent), number, FAINT, small, anchor="rs")
    return label


def _shortened(word: str, room: float, size: float) -> tuple[str, ImageFont.FreeTypeFont]:
    """The word in a font in which it fits: smaller first, then cut."""
    fitting = min(1.0, room / max(1.0, _font(size).getlength(word)))
    font = _font(size * max(SMALLEST, fitting))
    if font.getlength(word) > room:
        lengths = range(min(len(word), 200), 0, -1)
        word = next((word[:n] + "…" for n in lengths if font.getlength(word[:n] + "…") <= room), "…")
    return word, font


def _foot(caption: Caption, maps: Tensor, top: float, width: int, panel: int) -> list[Image.Image]:
    """The colour scale with its numbers, then what the sheet shows in words."""
    keys = [_scale(top, panel)]
    keys += [_key("not seen by the network", panel)] if maps.isnan().any() else []
    said = [f"looked {caption.looks} reading the previous word", in_words(caption.layout)]
    said += ["sentinel: share given to the language model"] if caption.sentinel is not None else []
    said += ["gate: mean of the gate on the context"] if caption.gate is not None else []
    return [_row(keys, panel // 6), _lines([" · ".join(said)], width, _font(panel / 16), FAINT)]


def _scale(top: float, panel: int) -> Image.Image:
    """The colours as they look on mid-grey, between their numbers."""
    length, thickness = panel, max(4, panel // 20)
    share = torch.linspace(0, 1, length).expand(thickness, -1)
    bar = _picture(_covered(torch.full((thickness, length, 1), 128.0), share))
    texts = [_lines([text], panel, _font(panel / 16), FAINT) for text in ("weight", "0", f"{top:.2g}")]
    return _row([texts[0], texts[1], bar, texts[2]], panel // 28, centred=True)


def _key(text: str, panel: int) -> Image.Image:
    """A hatched patch and what it means."""
    label = _lines([text], 4 * panel, _font(panel / 16), FAINT)
    side = max(4, panel // 20)
    patch = _picture(_hatched(torch.full((side, 2 * side, 1), 128.0)))
    return _row([patch, label], panel // 28, centred=True)


@lru_cache(maxsize=64)
def _font_of(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]


def _font(size: float) -> ImageFont.FreeTypeFont:
    return _font_of(max(8, round(size)))


def _lines(paragraphs: list[str], width: int, font: ImageFont.FreeTypeFont, ink: tuple[int, int, int]) -> Image.Image:
    """Text wrapped to a width in pixels."""
    lines = [line for text in paragraphs for line in _wrapped(text, width, font)]
    ascent, descent = font.getmetrics()
    step = round(1.15 * (ascent + descent))
    longest = max(font.getlength(line) for line in lines)
    block = Image.new("RGB", (min(width, round(longest) + 2), step * (len(lines) - 1) + ascent + descent), PAPER)
    for index, line in enumerate(lines):
        ImageDraw.Draw(block).text((0, ascent + index * step), line, ink, font, anchor="ls")
    return block


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    text = " ".join(text.split()) or " "
    letters = len(text)
    lines = [text]
    while letters > 1 and max(font.getlength(line) for line in lines) > width:
        letters = min(letters - 1, int(0.97 * letters))
        lines = textwrap.wrap(text, letters, break_on_hyphens=False)
    return lines


def _flow(tiles: list[Image.Image], gap: int) -> list[Image.Image]:
    """Rows of at most COLUMNS tiles, as even as they come."""
    num_rows = -(-len(tiles) // COLUMNS)
    columns = -(-len(tiles) // max(1, num_rows))
    return [_row(tiles[start : start + columns], gap) for start in range(0, len(tiles), columns or 1)]


def _row(blocks: Sequence[Image.Image], gap: int, centred: bool = False) -> Image.Image:
    height = max(block.height for block in blocks)
    row = Image.new("RGB", (sum(block.width for block in blocks) + gap * (len(blocks) - 1), height), PAPER)
    left = 0
    for block in blocks:
        row.paste(block, (left, (height - block.height) // 2 if centred else 0))
        left += block.width + gap
    return row


def _column(blocks: Sequence[Image.Image], gap: int) -> Image.Image:
    width = max(block.width for block in blocks)
    column = Image.new("RGB", (width, sum(block.height for block in blocks) + gap * (len(blocks) - 1)), PAPER)
    top = 0
    for block in blocks:
        column.paste(block, (0, top))
        top += block.height + gap
    return column


def _framed(picture: Image.Image, width: int, margin: int) -> Image.Image:
    framed = Image.new("RGB", (width + 2 * margin, picture.height + 2 * margin), PAPER)
    framed.paste(picture, (margin, margin))
    return framed


def _description(caption: Caption) -> PngImagePlugin.PngInfo:
    layout = caption.layout
    regions = (
        {"rows": layout.rows, "columns": layout.columns} if isinstance(layout, Grid) else {"boxes": layout.num_regions}
    )
    description = PngImagePlugin.PngInfo()
    description.add_text("caption", caption.text)
    description.add_text("looks", caption.looks if caption.weights is not None else "not at all")
    description.add_text("layout", json.dumps(regions))
    return description
