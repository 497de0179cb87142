"""A font that has a text's letters: Pillow's own for most, else one that this computer has."""

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
"""The environment variable that names a font's file, which is then asked before this computer's others."""
_SMALLEST = 8


def font_for(text: str, size: float) -> ImageFont.FreeTypeFont:
    """The font in which a text is drawn, `size` pixels high.

    Where no font has all its letters the best one is taken, and a warning names those that are missing: once for each script.
    """
    return _sized(None if text.isascii() else _file_for(frozenset(text)), max(_SMALLEST, round(size)))


def font_bytes(font: ImageFont.FreeTypeFont) -> Path | bytes:
    """Where a font lies on the disk; its bytes where it does not."""
    return font.path.getvalue() if isinstance(font.path, io.BytesIO) else Path(str(font.path))


@lru_cache(maxsize=256)
def _sized(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if file is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    return ImageFont.truetype(str(file), size)


@lru_cache(maxsize=4096)
def _file_for(letters: frozenset[str]) -> Path | None:
    """The first font that has all letters, or the one that has the most; None is Pillow's own."""
    wanted = {ord(letter) for letter in letters if not letter.isspace() and letter.isprintable()}
    best: tuple[int, Path | None] = (len(wanted) + 1, None)
    for file in _candidates():
        missing = wanted - _letters_of(file)
        if not missing:
            return file
        best = min(best, (len(missing), file), key=lambda found: found[0])
    missing = wanted - _letters_of(best[1])
    _warn(_script_of(min(missing)), "".join(map(chr, sorted(missing)))[:8])
    return best[1]


def _script_of(letter: int) -> int:
    """Letters of one block of Unicode, roughly, so that a warning comes once for each."""
    return letter >> 12


@lru_cache(maxsize=64)
def _warned(script: int) -> list[bool]:
    return [False]


def _warn(script: int, missing: str) -> None:
    if not _warned(script)[0]:
        _warned(script)[0] = True
        warnings.warn(
            f"no font on this computer has the letters {missing}; install one (such as Noto Sans, with CJK for Chinese, "
            f"Japanese and Korean), or set {SETTING} to the file of one: until then empty boxes are drawn",
            stacklevel=2,
        )


def _candidates() -> Iterator[Path | None]:
    """Fonts in the order in which they are asked."""
    chosen = os.environ.get(SETTING)
    if chosen:
        if not Path(chosen).is_file():
            raise UserError(f"{SETTING} should name the file of a font, got {chosen!r}; correct it, or unset it")
        yield Path(chosen)
    yield None
    yield from _installed()


@lru_cache(maxsize=1)
def _installed() -> list[Path]:
    """matplotlib's DejaVu Sans, then the system's; upright and plain ones first."""
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
    """Unicode numbers of what a font has; nothing where it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    source = io.BytesIO(bytes(font_bytes(_sized(None, _SMALLEST)))) if file is None else str(file)  # type: ignore[arg-type]
    try:
        with TTFont(source, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or {})
    except (TTLibError, OSError, KeyError, AssertionError):
        return frozenset()
