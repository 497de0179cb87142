"""The data set contract: examples by split, and helpers for reading files."""

from __future__ import annotations

import os
import reprlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from captioner import readers
from captioner.errors import UserError


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
    """What to call a data set: its name on the Hugging Face hub, or else the last part of its folder."""
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


def check_splits(splits: Any) -> None:
    """Check that the function of a data set has returned lists of examples by the name of their split, with different ids, by which
    captions and scores name photos.

    Raises:
        UserError: it has returned something else, or two photos of a split have one id.
    """
    if not isinstance(splits, dict) or not all(isinstance(examples, (list, tuple)) for examples in splits.values()):
        raise UserError(
            f"a data set should return {{split: [Example, ...]}}, got {reprlib.repr(splits)}; change its function"
        )
    for example in (example for examples in splits.values() for example in examples):
        if (
            not isinstance(example, Example)
            or type(example.id) not in (int, str)  # NumPy's numbers cannot be written as json
            or not isinstance(example.image, Path)
            or not _is_texts(example.references)
        ):
            raise UserError(
                "a data set should return each photo as Example(id, image, references) with a Python int or str, a Path and a list of "
                f"texts, got {reprlib.repr(example)}; change its function"
            )
    _check_ids(splits)


def _is_texts(references: Any) -> bool:
    return isinstance(references, (list, tuple)) and all(isinstance(text, str) for text in references)


def _check_ids(splits: Splits) -> None:
    for split, examples in splits.items():
        first: dict[str, Example] = {}
        for example in examples:
            other = first.setdefault(str(example.id), example)
            if other is not example:
                raise UserError(
                    f"photos of a split should have different ids, got {example.id!r} for {other.image} and {example.image} in {split}; "
                    "give each photo an id of its own"
                )


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
