"""The data set contract: examples by split, and helpers for reading files."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from captioner import readers
from captioner.errors import UserError

WRITTEN_BY_DOCTOR = "# written by captioner doctor"
"""The first line of a file for `data.leave_out`."""


@dataclass(frozen=True)
class Part:
    """How a data set is joined with others; see `captioner.data.joined`.

    Args:
        name: name of this part, in the ids of its photos and for `data.only`; the last part of its `root` if not given.
        share: how often an epoch takes each training photo of this part. 1 takes each once, 3 three times; 0.25 takes a quarter of them,
            another quarter in the next epoch, and so on. Validation and test take each photo once.
        splits: names of the splits that are taken, such as `[train]`; all that the data set has if not given.
        missing: `error` or `skip`, for this part; as `data.missing` if not given.
    """

    name: str = ""
    share: Annotated[float, Gt(0), Le(1000)] = 1.0
    splits: list[str] | None = None
    missing: Literal["error", "skip"] | None = None

    def skips_missing(self, others: bool) -> bool:
        """Whether photos without a file are left out; `others`: those of other data are."""
        return others if self.missing is None else self.missing == "skip"

    def epoch_size(self, num_photos: int) -> int:
        """How many photos an epoch takes from this part, repeats counted."""
        return max(1, round(self.share * num_photos))


WHOLE = Part()
"""A data set that is not joined with others."""


@dataclass(frozen=True)
class Example:
    """One photo and its reference captions."""

    id: int | str  # COCO's image id, kept so that results can be scored elsewhere
    image: Path
    references: list[str]  # empty if the photo has no captions
    size: tuple[int, int] | None = None  # (width, height) that the data set states
    part: Part = WHOLE  # of joined data sets

    @property
    def has_file(self) -> bool:
        """Whether the photo is there. A name that no file can have is no error."""
        return os.path.isfile(self.image)


_LONGEST_PIECE = 1000  # characters; no word is longer
Splits = dict[str, list[Example]]
"""Examples by name of the split."""
NEEDED = ("train", "val")
"""Splits that training needs."""
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "validation", "valid", "dev", "development", "eval"),
    "test": ("test", "testing"),
}
"""What data sets call the splits, by the names used here."""


def data_name(options: Mapping[str, Any]) -> str:
    """What to call a data set: its name at the Hugging Face hub, or else the last part of its folder."""
    name = Path(str(options.get("name" if options.get("kind") == "hf" else "root", "")))
    at_hub = options.get("kind") == "hf" and len(name.parts) <= 2 and not name.is_absolute() and ".." not in name.parts
    return name.as_posix() if at_hub else name.name


def split_name(name: str) -> str | None:
    """The name used here of a split that a data set names; None if there is none."""
    return next((split for split, names in SPLIT_NAMES.items() if name.strip().lower() in names), None)


def in_split(name: str, split: str) -> str:
    """The name of a file or folder in which `{split}` stands for the name of the split."""
    return name.replace("{split}", split)


def name_of_split(folder: Path, captions: str, split: str) -> str:
    """What the captions files below `folder` call a split; the name used here if none exists."""
    names = SPLIT_NAMES.get(split, (split,))
    return next((name for name in names if os.path.exists(folder / in_split(captions, name))), split)


def file_name(name: str, photos: Path) -> str:
    """The name of a photo as its file is called, so that a photo has one name: without blanks around it and `./` before it, with accents
    composed or not, unless there is a file of exactly this name. `photos` may contain `{split}`.
    """
    bare = os.path.normpath(name.strip()) if name.strip() else ""
    if bare == name and name.isascii():
        return name
    folders = {in_split(str(photos), split) for names in SPLIT_NAMES.values() for split in names}
    written = [
        os.path.normpath(name) if name else "",
        bare,
        *(unicodedata.normalize(form, bare) for form in ("NFC", "NFD")),
    ]
    return next((one for one in written if any(os.path.isfile(os.path.join(folder, one)) for folder in folders)), bare)


def present(splits: Splits, skip_missing: bool = False) -> tuple[Splits, list[Example]]:
    """The examples whose photos have a file, and those whose have none. Only train and val need photos to train on: another split may
    become empty, as where the test photos were not downloaded.

    Raises:
        UserError: a photo has no file and is not to be skipped; or no photo of train or of val has one.
    """
    missing = [(split, example) for split, examples in splits.items() for example in examples if not example.has_file]
    if not missing:
        return splits, []
    needed = [example for _, example in missing if not example.part.skips_missing(skip_missing)]
    if needed:
        raise _without_file(splits, needed)
    totals = Counter((split, example.part.name) for split, examples in splits.items() for example in examples)
    counts = Counter((split, example.part.name) for split, example in missing)
    for split, example in missing:
        if split in NEEDED and counts[split, example.part.name] == totals[split, example.part.name]:
            raise UserError(
                f"no photo of {split}{_of(example.part)} has a file, first {example.image.absolute()}; check data.images"
            )
    without = {id(example) for _, example in missing}
    kept = {
        split: [example for example in examples if id(example) not in without] for split, examples in splits.items()
    }
    return kept, [example for _, example in missing]


def check_ids(splits: Splits) -> None:
    """Check that no two photos of a split have one id, by which captions and scores name them.

    Raises:
        UserError: two have.
    """
    for split, examples in splits.items():
        first: dict[str, Example] = {}
        for example in examples:
            other = first.setdefault(str(example.id), example)
            if other is not example:
                raise UserError(
                    f"photos of a split should have different ids, got {example.id!r} for {other.image} and {example.image} in {split}; "
                    "give each photo an id of its own"
                )


def named_ids(path: Path) -> list[str]:
    """The ids in a file of `data.leave_out`."""
    return [
        line for line in read_text(path, "data.leave_out").splitlines() if line.strip() not in ("", WRITTEN_BY_DOCTOR)
    ]


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


def _without_file(splits: Splits, needed: Sequence[Example]) -> UserError:
    part = needed[0].part
    total, lacking = (
        sum(example.part.name == part.name for example in examples)
        for examples in ([example for listed in splits.values() for example in listed], needed)
    )
    settings = "its root and its images" if part.name else "data.root and data.images"
    return UserError(
        f"the data{_of(part)} name {total:,} photos, got {lacking:,} of them without a file, first "
        f"{needed[0].image.absolute()}; put them there, set {settings} to their folder, or leave them out with data.missing=skip"
    )


def _of(part: Part) -> str:
    return f" of part {part.name}" if part.name else ""


def epoch_sizes(examples: Iterable[Example]) -> dict[str, int]:
    """How many photos an epoch takes from each part, repeats counted."""
    counts = Counter(example.part.name for example in examples)
    parts = {example.part.name: example.part for example in examples}
    return {name: parts[name].epoch_size(count) for name, count in counts.items()}


def clean(caption: str) -> str:
    """The caption in one line with single spaces, and accents composed (Unicode NFC), so that a word has one spelling."""
    return " ".join(map(_composed, caption.split()))


def _composed(word: str) -> str:
    """NFC in pieces, since its time grows with the square of the number of marks on a letter."""
    pieces = [word[start : start + _LONGEST_PIECE] for start in range(0, len(word), _LONGEST_PIECE)]
    return "".join(unicodedata.normalize("NFC", piece) for piece in pieces)


def data_folder(root: str) -> Path:
    folder = Path(root)
    if not folder.is_dir():
        raise UserError(f"no data folder at {folder.absolute()}; set data.root to the folder of the data")
    return folder


def read_text(path: Path, named_by: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; errors ask to check `named_by`."""
    return readers.read_text(path, f"check {named_by}")


def read_json(path: Path, named_by: str) -> Any:
    return readers.read_json(path, f"check {named_by}")
