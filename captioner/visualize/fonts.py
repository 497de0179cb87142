"""Choose a font that has all letters of a text: Pillow's own if possible, or one that is installed on this computer."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageFont

from captioner.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = "CAPTIONER_FONT"
"""The environment variable that names a font file, which is then tried before all others."""
_SMALLEST = 8
_LETTERS: ContextVar[str] = ContextVar("letters", default="")


@contextmanager
def one_font(letters: str) -> Iterator[None]:
    """Draw all texts in one font that has these letters too, so that the words of a caption look alike. If no font has
    them and the letters of a text, that text gets a font of its own."""
    token = _LETTERS.set(letters)
    try:
        yield
    finally:
        _LETTERS.reset(token)


def font_for(text: str, size: float) -> ImageFont.FreeTypeFont:
    """The font in which to draw a text, `size` pixels high.

    If no font has all its letters, the best one is taken, and the first such text is a warning.
    """
    return _sized(_file_of(text, _LETTERS.get()), max(_SMALLEST, round(size)))


@lru_cache(maxsize=4096)
def _file_of(text: str, letters: str) -> Path | None:
    if (text + letters).isascii():
        return None
    found = _complete(_code_points(text + letters))
    if found:
        return found[0]
    return None if text.isascii() else _file_for(_code_points(text))


def _code_points(text: str) -> frozenset[int]:
    """Of the letters that can be seen."""
    return frozenset(ord(letter) for letter in text if not letter.isspace() and letter.isprintable())


def font_bytes(font: ImageFont.FreeTypeFont) -> Path | bytes:
    """The path of a font's file, or its bytes if it is not a file."""
    return font.path.getvalue() if isinstance(font.path, io.BytesIO) else Path(str(font.path))


@lru_cache(maxsize=256)
def _sized(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if file is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    return ImageFont.truetype(str(file), size)


@lru_cache(maxsize=4096)
def _complete(wanted: frozenset[int]) -> tuple[Path | None] | None:
    """The first font that has all letters, in a tuple, since the font None is Pillow's own; None if there is none."""
    return next(((file,) for file in _candidates() if wanted <= _letters_of(file)), None)


def _file_for(wanted: frozenset[int]) -> Path | None:
    """The first font that has all letters, or the one that lacks the fewest."""
    if found := _complete(wanted):
        return found[0]
    best = min(_candidates(), key=lambda file: len(wanted - _letters_of(file)))
    _warn("".join(map(chr, sorted(wanted - _letters_of(best))))[:8])
    return best


@lru_cache(maxsize=1)
def _warned() -> list[bool]:
    return [False]


def _warn(missing: str) -> None:
    if not _warned()[0]:
        _warned()[0] = True
        warnings.warn(
            f"no font on this computer has the letters {missing}; install one (such as Noto Sans, with CJK for Chinese, "
            f"Japanese and Korean), or set {SETTING} to a font file; until then empty boxes are drawn",
            stacklevel=2,
        )


@contextmanager
def plain_texts(figure: Figure) -> Iterator[None]:
    """Prepare the texts of a matplotlib figure, which may be names that users chose: each gets a font that has its letters, `$` means
    nothing, and matplotlib's own warnings of missing letters are not shown."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        size = float(text.get_fontsize())
        if not text.get_text().isascii() and isinstance(file := font_bytes(font_for(text.get_text(), size)), Path):
            text.set_fontproperties(FontProperties(fname=str(file), size=size))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def _candidates() -> Iterator[Path | None]:
    """Fonts in the order in which they are tried."""
    chosen = os.environ.get(SETTING)
    if chosen:
        if not Path(chosen).is_file():
            raise UserError(f"{SETTING} should name a font file, got {chosen!r}; correct it, or unset it")
        yield Path(chosen)
    yield None
    yield from _installed()


@lru_cache(maxsize=1)
def _installed() -> list[Path]:
    """matplotlib's DejaVu Sans, then the system's fonts, upright and regular ones first."""
    import matplotlib
    from matplotlib import font_manager

    bundled = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return [bundled, *sorted(map(Path, font_manager.findSystemFonts()), key=_rank)]


def _rank(file: Path) -> tuple[int, str]:
    name = file.stem.lower()
    marks = ("bold", "italic", "oblique", "mono", "serif", "condensed", "black", "light", "thin", "emoji")
    return sum(mark in name.replace("sansserif", "") for mark in marks), str(file)


@lru_cache(maxsize=512)
def _letters_of(file: Path | None) -> frozenset[int]:
    """Code points of the letters that a font has; empty if it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    source = io.BytesIO(bytes(font_bytes(_sized(None, _SMALLEST)))) if file is None else str(file)  # type: ignore[arg-type]
    try:
        with TTFont(source, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or {})
    except (TTLibError, OSError, KeyError, AssertionError):
        return frozenset()
