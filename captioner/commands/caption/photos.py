"""Caption photos from anywhere: print the captions, and write them as a table, json, a page or pictures."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.builder import NATURAL, SETTINGS
from captioner.captioner import Captioner
from captioner.data.folder import note_others, photos_in
from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.progress import console, errors
from captioner.search import Caption
from captioner.search.result import in_digits

if TYPE_CHECKING:
    from captioner.visualize.overlay import Style

_SETTING = re.compile(r"(search|data|run|encoder)\.\w+=.*")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
Captioned = list[tuple[Path, list[Caption]]]
"""Photos with their captions, the best candidate first."""


def find_photos(names: Sequence[str]) -> list[Path]:
    """The photos that are files, are in folders or match patterns, without duplicates and in this order.

    Raises:
        UserError: a name matches nothing.
    """
    photos: dict[str, Path] = {}  # by their absolute paths
    for name in names:
        path = Path(name)
        if not os.path.exists(path) and _SETTING.fullmatch(name):
            raise UserError(f"{name} is no photo; to change a setting of decoding write --set {name}")
        if _ADDRESS.match(name):
            raise UserError(f"{name} is an address, photos are read from files; download it, and give the file")
        if os.path.isfile(path / SETTINGS) or (name == NATURAL and not os.path.exists(path)):
            raise UserError(f"{name} is a model and no photo; write --model {name}, and give photos too")
        if os.path.isdir(path):
            matches, others = photos_in(path)
            note_others(path, others)
        elif os.path.exists(path) or not glob.has_magic(name):
            matches = [path]
        else:
            matches = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if not Path(match).is_dir()]
        if not matches:
            raise UserError(f"no photo in {name}; give files, folders that hold photos, or patterns that match some")
        for match in matches:
            photos.setdefault(os.path.abspath(match), match)
    return list(photos.values())


def run(
    captioner: Captioner,
    names: Sequence[str],
    wanted: Mapping[str, Path] | None = None,
    table: Path | None = None,
    details: Path | None = None,
    page: Path | None = None,
    beside: Mapping[str, Captioner] | None = None,
    style: Style | None = None,
    name: str = "this model",
    explain: str = "attention",
    overwrite: bool = False,
) -> int:
    """Caption photos, print each caption at once, and write the requested files.

    Photos that cannot be read are named and skipped; returns their number. At Ctrl-C the table and the json have the photos so far.

    Args:
        captioner: the model.
        names: files, folders or patterns.
        wanted: paths of pictures, by option: `sheet`, `strip`, `heads` or `gif`.
        table, details, page: paths of a csv, a json and an HTML file.
        beside: other models by name, which a sheet and a page show beside this one.
        style: of pictures; the default style if not given.
        name: of this model.
        explain: what sheets and pages show of each word, one of `accounts.EXPLAINED`.
        overwrite: replace files that exist and that this program has not written.

    Raises:
        UserError: no photo can be read, a name matches nothing, or there are too many photos for one picture or page.
    """
    photos, wanted = find_photos(names), wanted or {}
    models = {name: captioner, **(beside or {})}
    _check(models, photos, wanted, page, explain)
    _check_outputs({".csv": table, ".json": details, ".html": page}, wanted, photos, overwrite)
    with _written(table, details, name) as captioned:
        unreadable = _caption(captioner, photos, captioned, page is not None, "heads" in wanted)
    by_model = {name: captioned, **_by_others(captioned, beside or {}, with_candidates=page is not None)}
    if page is not None:
        from captioner.commands.caption import photo_pages

        photo_pages.write(page, models, by_model, style, explain)
    if wanted:
        from captioner.commands.caption import pictures

        pictures.write_all(captioner, wanted, by_model, style, explain)
    _say_left_out(len(unreadable), len(photos))
    return len(unreadable)


def _check(
    models: Mapping[str, Captioner],
    photos: Sequence[Path],
    wanted: Mapping[str, Path],
    page: Path | None,
    explain: str,
) -> None:
    """Refuse pictures and pages that cannot be made, before anything is captioned."""
    if wanted:
        from captioner.commands.caption import pictures

        pictures.check(wanted, len(photos))
    if page is not None:
        from captioner.commands.caption import photo_pages

        photo_pages.check(photos, page)
    if explain != "attention":
        from captioner.commands.caption.accounts import check_explained

        for captioner in models.values():
            check_explained(captioner, explain)


def _check_outputs(texts: dict[str, Path | None], wanted: Mapping[str, Path], photos: list[Path], over: bool) -> None:
    others = [*wanted.values()]
    if wanted:
        from captioner.commands.caption import pictures

        others += pictures.replaceable(wanted, photos)
    if any([*texts.values(), *others]):
        from captioner.commands.outputs import check_outputs

        check_outputs(texts, others, photos, over)


def _by_others(captioned: Captioned, beside: Mapping[str, Captioner], with_candidates: bool) -> dict[str, Captioned]:
    """The captions of the other models, which are printed."""
    by_model: dict[str, Captioned] = {}
    for name, captioner in beside.items():
        by_model[name] = []
        for photo, captions in _stream(captioner, [photo for photo, _ in captioned], with_candidates):
            if isinstance(captions, UserError):
                raise captions
            by_model[name].append((photo, captions))
            console.print(f"{photo}: {captions[0].text} ({in_digits(captions[0].confidence)}, {name})", soft_wrap=True)
    return by_model


def _stream(
    captioner: Captioner, photos: Sequence[Path], with_candidates: bool
) -> Iterator[tuple[Path, list[Caption] | UserError]]:
    """Each photo with its captions, or with the error that it cannot be read."""
    if not with_candidates:
        for photo, caption in captioner.stream(photos):
            yield Path(str(photo)), caption if isinstance(caption, UserError) else [caption]
        return
    for photo in photos:
        yield photo, _candidates(captioner, photo)


def _candidates(captioner: Captioner, photo: Path) -> list[Caption] | UserError:
    try:
        return captioner.candidates(photo)
    except UserError as error:
        return error


def _caption(
    captioner: Captioner, photos: list[Path], captioned: Captioned, with_candidates: bool, with_heads: bool
) -> list[Path]:
    """Add the photos with their captions to `captioned`; returns those that cannot be read."""
    unreadable: list[Path] = []
    for photo, captions in _stream(captioner, photos, with_candidates):
        if not isinstance(captions, UserError):
            captioned.append((photo, captions))
            caption = captions[0]
            if with_heads:
                _check_heads(caption)
            console.print(f"{photo}: {caption.text} ({in_digits(caption.confidence)})", soft_wrap=True)
            if caption.warning:
                errors.print(f"{photo} is {caption.warning}", soft_wrap=True)
        elif len(photos) == 1:
            raise captions
        else:
            unreadable.append(photo)
            errors.print(f"left out: {captions}", soft_wrap=True)
    if not captioned:
        raise UserError(f"none of {len(photos)} photos can be read")
    return unreadable


@contextmanager
def _written(table: Path | None, details: Path | None, model: str) -> Iterator[Captioned]:
    captioned: Captioned = []  # written at the end, and also at Ctrl-C or if memory runs out
    try:
        yield captioned
    except UserError:
        captioned.clear()
        raise
    finally:
        if table is not None and captioned:
            _write(table, _as_csv(captioned))
        if details is not None and captioned:
            _write(details, as_json(captioned, model))


def _say_left_out(unreadable: int, photos: int) -> None:
    """The last line of the output, so that it is seen."""
    if unreadable:
        errors.print(f"{unreadable} of {photos} photos could not be read, and have no caption", soft_wrap=True)


def _check_heads(caption: Caption) -> None:
    """Refuse a model without attention heads."""
    if caption.head_weights is None:
        raise UserError(
            "--heads needs attention with several heads, this model has none; give a run of attention.kind=multi_head"
        )


def as_json(captioned: Captioned, model: str) -> str:
    """Each photo's caption with the model's name, words, log-probabilities, maps and candidates."""
    entries = [{"photo": str(photo), "model": model, **caption.as_json()} for photo, (caption, *_) in captioned]
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def _as_csv(captioned: Captioned) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "caption", "confidence"])
    writer.writerows([str(photo), caption.text, f"{caption.confidence:.4f}"] for photo, (caption, *_) in captioned)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    write_text_atomically(path, text)
    console.print(f"written: {path}", soft_wrap=True)
