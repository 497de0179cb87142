"""Checks of the files that a command is asked to write, before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from captioner.errors import Terminal, UserError, system_error
from captioner.files import UNFINISHED, try_writing

_MARK = re.compile(rb"captioner \d+\.\d+\.\d+")
"""Name and version, which pictures, pages and exports of this program hold."""
_STARTS = (b"photo,caption,confidence\n", b'[\n {\n  "photo": ', b"# written by captioner ", b'[\n {\n  "image_id": ')
"""How the table and the JSON file of `captioner caption`, lists of photos, and results in COCO's format start."""
_MARKED = 2**16  # bytes at each end that are searched for a mark


def check_outputs(
    texts: Mapping[str, Path | None],
    others: Iterable[Path | None],
    inputs: Iterable[Path | None],
    overwrite: bool = False,
) -> None:
    """Refuse to write a file over one that is read or that this program has not written, or two under one name, before anything is
    computed. A pattern of the shell after an option, as in `--sheet *.png`, gives it a photo as the name of its output. A command that
    writes files also goes on when nobody reads what it prints; see `Terminal`.

    Args:
        texts: files to write, by the ending that their names should have, if any.
        others: more files to write, or folders; see `is_folder`.
        inputs: files that the command reads.
        overwrite: replace files that other programs wrote.
    """
    others = [other for other in others if other is not None]
    for folder in filter(is_folder, others):
        check_writable(folder)
    Terminal.writes_files = any(path is not None for path in [*texts.values(), *others])
    for ending, path in texts.items():
        is_page = ending == ".html"
        if path is not None and (path.suffix or is_page) and not path.suffix.lower().startswith(ending[:4]):
            option = "page" if is_page else ending[1:]
            raise UserError(f"--{option} writes a {ending} file, got {path}; choose a name that ends in {ending}")
    taken = {path.resolve(): "is read by this command and would be replaced" for path in inputs if path is not None}
    for path in [*texts.values(), *(other for other in others if not is_folder(other))]:
        if path is None:
            continue
        check_writable(path.absolute().parent)
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a folder, pipe or device; give the name of a file to write")
        if (why := taken.get(path.resolve())) is not None:
            raise UserError(f"{path} {why}; give another name")
        if not overwrite and path.exists() and not _is_written_here(path):
            raise UserError(
                f"{path} exists, and captioner has not written it; give the output another name, or add --overwrite to replace it"
            )
        taken[path.resolve()] = "is given for two files"


def check_results(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder for results that has files of these names which this program has not written, before anything is computed."""
    present = [folder / name for name in names if (folder / name).is_file()]
    if present and not (folder / UNFINISHED).exists() and not any(map(_is_written_here, present)):
        raise UserError(
            f"{present[0]} exists, and captioner has not written it; give --out another folder, or move the file away"
        )


def is_folder(path: Path) -> bool:
    """Whether a path for files names a folder: one that exists, or a name without an ending."""
    return not path.suffix or path.is_dir()


def _is_written_here(path: Path) -> bool:
    """Whether a file is empty or bears a mark of this program's outputs, near its start or its end."""
    with path.open("rb") as file:
        start = file.read(_MARKED)
        file.seek(max(0, path.stat().st_size - _MARKED))
        end = file.read()
    return not start or start.startswith(_STARTS) or bool(_MARK.search(start) or _MARK.search(end))


def check_writable(folder: Path, advice: str = "give another folder") -> None:
    """Refuse a folder in which nothing can be written."""
    try:
        try_writing(folder)
    except OSError as error:
        raise UserError(f"the output cannot be written into {folder} ({system_error(error)}); {advice}") from error
