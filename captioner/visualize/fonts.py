"""Choose a font that has all letters of a text: Pillow's own if possible, or one that is installed on this computer."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from captioner.errors import UserError

SETTING = "CAPTIONER_FONT"
"""The environment variable that names a font file, which is then tried before all others."""
_SMALLEST = 8


def font_for(text: str, size: float) -> ImageFont.FreeTypeFont:
    """The font in which to draw a text, `size` pixels high.

    If no font has all its letters, the best one is taken, and a warning names the missing letters, once for each script.
    """
    return _sized(None if text.isascii() else _file_for(frozenset(text)), max(_SMALLEST, round(size)))


def font_bytes(font: ImageFont.FreeTypeFont) -> Path | bytes:
    """The path of a font's file, or its bytes if it is not a file."""
    return font.path.getvalue() if isinstance(font.path, io.BytesIO) else Path(str(font.path))


@lru_cache(maxsize=256)
def _sized(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if file is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    return ImageFont.truetype(str(file), size)


@lru_cache(maxsize=4096)
def _file_for(letters: frozenset[str]) -> Path | None:
    """The first font that has all letters, or the one that lacks the fewest; None is Pillow's own."""
    wanted = {ord(letter) for letter in letters if not letter.isspace() and letter.isprintable()}
    best: tuple[int, Path | None] = (len(wanted) + 1, None)
    for file in _candidates():
        missing = wanted - _letters_of(file)
        if not missing:
            return file
        best = min(best, (len(missing), file), key=lambda candidate: candidate[0])
    missing = wanted - _letters_of(best[1])
    _warn(_script_of(min(missing)), "".join(map(chr, sorted(missing)))[:8])
    return best[1]


def _script_of(letter: int) -> int:
    """Roughly the Unicode block of a letter, so that a warning appears once for each script."""
    return letter >> 12


@lru_cache(maxsize=64)
def _warned(script: int) -> list[bool]:
    return [False]


def _warn(script: int, missing: str) -> None:
    if not _warned(script)[0]:
        _warned(script)[0] = True
        warnings.warn(
            f"no font on this computer has the letters {missing}; install one (such as Noto Sans, with CJK for Chinese, "
            f"Japanese and Korean), or set {SETTING} to a font file; until then empty boxes are drawn",
            stacklevel=2,
        )


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
