"""Training photos that are left out: the file of `data.leave_out`."""

from __future__ import annotations

from pathlib import Path

from captioner.data.contract import Splits, read_text
from captioner.errors import UserError

WRITTEN_BY_DOCTOR = "# written by captioner doctor"
"""The first line of a file for `data.leave_out`."""


def named_ids(path: Path) -> list[str]:
    """The ids in a file of `data.leave_out`."""
    lines = [line.removesuffix("\r") for line in read_text(path, "data.leave_out").split("\n")]
    return [line for line in lines if line.strip() not in ("", WRITTEN_BY_DOCTOR)]


def without(splits: Splits, path: Path, only: str = "") -> Splits:
    """The splits without the training photos whose ids a file names, one on a line.

    Args:
        splits: all photos.
        path: the file.
        only: the part of joined data that is read alone, so that ids lack its name.

    Raises:
        UserError: the file names an id that no training photo has.
    """
    named = named_ids(path)
    if only:
        named = [name.lstrip().removeprefix(f"{only}/") for name in named if name.lstrip().startswith(f"{only}/")]
    train = {str(example.id): example for example in splits.get("train", [])}
    named = [name if name in train else name.strip() for name in named]
    unknown = next((name for name in named if name not in train), None)
    if unknown is not None:
        raise UserError(
            f"{path} should hold ids of training photos, as captioner doctor --leave-out writes them, got {unknown!r}, which is none; "
            "write it again for this data, or set data.leave_out= to use all photos"
        )
    left_out = set(named)
    kept = [example for name, example in train.items() if name not in left_out]
    return {**splits, "train": kept} if named else splits
