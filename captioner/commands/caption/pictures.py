"""Pictures of captions: sheets, strips, heads and animations, with one model or several side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from captioner.captioner import Captioner
from captioner.commands.outputs import is_folder
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError, either, visible
from captioner.progress import console
from captioner.search import Caption
from captioner.visualize.animation import ANIMATIONS, LARGE, save_animation
from captioner.visualize.drawing import FAINT, Drawing, column, framed, lines
from captioner.visualize.drawing_files import FORMATS
from captioner.visualize.legend import shown_words
from captioner.visualize.overlay import USUAL, Style
from captioner.visualize.sheet import contact, sheet
from captioner.visualize.strips import FIGURE, SMALL, heads, side_by_side, strip

_ON_ONE_PICTURE = 16
_ACCOUNT, _FEW, _LARGER = 144, 6, 1.5
"""Size of a panel where several accounts are compared. With fewer than `_FEW` words panels grow, up to the factor `_LARGER`."""
EXPLAINED = "explained sheet"
"""The kind of a sheet that shows several accounts of one caption, in place of several models."""
LAYERS = "heads of every layer"
_MAX_STEM = 200  # bytes
Captions = Mapping[str, Caption]
"""The captions of one photo, by the name of the model."""
Draw = Callable[[Image.Image, Captions, Style, str], Drawing]


def _sheet(photo: Image.Image, captions: Captions, style: Style, name: str) -> Drawing:
    if len(captions) > 1:
        return _beside(photo, captions, style, name, SMALL.panel)
    return sheet(photo, next(iter(captions.values())), style, name)


def _strip(photo: Image.Image, captions: Captions, style: Style, name: str) -> Drawing:
    return _named(strip(photo, next(iter(captions.values())), replace(style, panel=FIGURE.panel)), name)


def _heads(photo: Image.Image, captions: Captions, style: Style, name: str) -> Drawing:
    caption = next(iter(captions.values()))
    return _named(heads(photo, caption, replace(style, panel=SMALL.panel)), name)


def _layers(photo: Image.Image, captions: Captions, style: Style, name: str) -> Drawing:
    from captioner.commands.caption.accounts import account_notes

    notes = account_notes(captions, style)
    return _named(heads(photo, captions, replace(style, panel=SMALL.panel), notes), name)


def _explained(photo: Image.Image, captions: Captions, style: Style, name: str) -> Drawing:
    from captioner.commands.caption.accounts import account_notes

    return _beside(photo, captions, style, name, _ACCOUNT, account_notes(captions, style))


def _beside(
    photo: Image.Image, captions: Captions, style: Style, name: str, panel: int, notes: Mapping[str, str] | None = None
) -> Drawing:
    """Models or accounts below one another, with panels of a size."""
    return _named(side_by_side(photo, captions, _sized(style, panel, captions, name), notes), name)


def _sized(style: Style, panel: int, captions: Captions, name: str) -> Style:
    """The style with panels of this size, or larger ones for few words; in a picture of several photos, which have names, all are alike."""
    words = max(len(shown_words(caption, style)) for caption in captions.values())
    factor = 1 if name else min(_LARGER, max(1, _FEW / max(1, words)))
    return replace(style, panel=round(panel * factor))


KINDS: dict[str, Draw] = {"sheet": _sheet, EXPLAINED: _explained, LAYERS: _layers, "strip": _strip, "heads": _heads}
"""The pictures that `captioner caption` draws, by option; `gif` is the animation."""


def explained_kind(option: str, explain: str) -> str | None:
    """The kind of a picture that needs accounts of the caption's words; None if it shows attention alone."""
    if option == "sheet" and explain != "attention":
        return EXPLAINED
    return LAYERS if option == "heads" and explain == "layers" else None


def check(wanted: Mapping[str, Path], num_photos: int) -> None:
    """Refuse pictures that cannot be drawn, before anything is captioned."""
    for option, path in wanted.items():
        endings = ANIMATIONS if option == "gif" else FORMATS
        if not is_folder(path) and path.suffix.lower() not in endings:
            raise UserError(f"--{option} writes {either(endings)}, got {path.name!r}; choose such a name, or a folder")
        max_photos = 1 if option == "gif" else _ON_ONE_PICTURE
        if not is_folder(path) and num_photos > max_photos:
            raise UserError(
                f"one {option} holds up to {max_photos} photos, got {num_photos}; give --{option} a folder for one picture each"
            )


def replaceable(wanted: Mapping[str, Path], photos: Sequence[Path]) -> list[Path]:
    """The files in folders for pictures that a picture of one of the photos might replace.

    Raises:
        UserError: two options would give pictures of one folder the same names.
    """
    folders: dict[tuple[Path, str], str] = {}
    stems = {_file_stem(photo) for photo in photos}
    found: list[Path] = []
    for option, folder in wanted.items():
        if not is_folder(folder):
            continue
        ending = _ending(option)
        other = folders.setdefault((folder.resolve(), ending), option)
        if other != option:
            raise UserError(
                f"--{other} and --{option} would write pictures of the same names into {folder}; give two folders"
            )
        found += [path for path in folder.glob(f"[0-9]*_*{ending}") if path.stem.partition("_")[2] in stems]
    return found


def _ending(option: str) -> str:
    """The ending of the pictures in a folder."""
    return ".gif" if option == "gif" else ".png"


def write_all(
    captioner: Captioner,
    wanted: Mapping[str, Path],
    by_model: Mapping[str, Sequence[tuple[Path, list[Caption]]]],
    style: Style | None,
    explain: str,
) -> None:
    """Write the pictures that are wanted of every photo, given each model's captions."""
    written = [
        (photo, {model: captioned[number][1][0] for model, captioned in by_model.items()})
        for number, (photo, _) in enumerate(next(iter(by_model.values())))
    ]
    for option, path in wanted.items():
        kind = explained_kind(option, explain)
        if kind is not None:
            from captioner.commands.caption.accounts import accounts_of

            own = [(photo, next(iter(captions.values()))) for photo, captions in written]
            accounts = [(photo, accounts_of(captioner, photo, caption, explain)) for photo, caption in own]
            write(kind, path, accounts, style or USUAL)
        else:
            write(option, path, written, style or USUAL)


def write(option: str, path: Path, found: Sequence[tuple[Path, Captions]], style: Style) -> None:
    """Write one picture of all photos, or a folder with a picture of each."""
    if is_folder(path):
        for number, (photo, captions) in enumerate(found):
            _write_one(option, path / f"{number:04}_{_file_stem(photo)}{_ending(option)}", photo, captions, style)
    elif len(found) == 1:
        _write_one(option, path, *found[0], style)
    else:
        contact([_drawn(option, photo, captions, style, photo.name) for photo, captions in found]).save(path)
    console.print(f"written: {path}", soft_wrap=True)


def _file_stem(photo: Path) -> str:
    """The stem of a photo's name, cut where a longer name would be too long for a file system, which allows 255 bytes."""
    return os.fsencode(visible(photo.stem))[:_MAX_STEM].decode(errors="ignore")


def _write_one(option: str, path: Path, photo: Path, captions: Captions, style: Style) -> None:
    if option == "gif":
        save_animation(path, open_photo(photo), next(iter(captions.values())), replace(style, panel=LARGE.panel))
    else:
        _drawn(option, photo, captions, style, "").save(path)


def _drawn(option: str, photo: Path, captions: Captions, style: Style, name: str) -> Drawing:
    """A picture whose metadata names the models."""
    if option not in ("sheet", EXPLAINED, LAYERS):
        captions = dict([next(iter(captions.items()))])
    drawing = KINDS[option](open_photo(photo), captions, style, name)
    what = "accounts" if option in (EXPLAINED, LAYERS) else "models"
    return replace(drawing, metadata=drawing.metadata | {what: ", ".join(captions)})


def _named(drawing: Drawing, name: str) -> Drawing:
    """The drawing with the photo's name above it."""
    if not name:
        return drawing
    size = 14 * drawing.dpi / 144
    label = framed(lines([name], drawing.width, size, FAINT), drawing.width - 24, 12)
    both = column([Drawing(drawing.width, label.height - 12, label.marks), drawing], 0)
    return replace(drawing, height=both.height, marks=both.marks, metadata=drawing.metadata | {"photo": name})
