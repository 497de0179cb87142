"""Data sets of the Hugging Face hub, and folders that the library `datasets` reads: `data.kind=hf`. The library is imported on first use.

Photos are files everywhere else, so they are unpacked once; a data set of the hub is streamed while that happens, and is not stored a
second time in the library's cache. Photos that are files already, as in an image folder, are read where they lie.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from captioner.data.contract import SPLIT_NAMES, Example, Splits, split_name
from captioner.errors import UserError, library
from captioner.progress import print_note
from captioner.readers import parsing, reason
from captioner.readers.hub_access import check_reachable, hub_errors

if TYPE_CHECKING:
    from captioner.data.packed import Sample

_CHECK = "check data.name"
_FORMATS = {".parquet": "parquet", ".arrow": "arrow"}


@dataclass(frozen=True)
class Choices:
    """Which data set, and which columns and splits of it; see `captioner.data.hf`."""

    name: str
    image: str = ""
    captions: str = ""
    subset: str = ""
    revision: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    shorter_edge: int | None = None

    @property
    def local(self) -> bool:
        """Whether it is a folder or file of this computer."""
        return Path(self.name).exists()

    @property
    def saved(self) -> bool:
        """Whether it is a folder that `save_to_disk` wrote."""
        return any((Path(self.name) / file).is_file() for file in ("dataset_dict.json", "state.json"))

    def about(self) -> dict[str, Any]:
        """All of it in types of JSON, with what changes when local files change."""
        from captioner.data.packed import mark

        path = Path(self.name)
        files = sorted(other for other in path.rglob("*") if other.is_file()) or [path] if self.local else []
        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        return chosen | {"files": [mark(file) for file in files]}


def read(chosen: Choices, root: str, val_share: float, test_share: float, seed: int) -> Splits:
    """The splits, after the photos were unpacked."""
    from captioner.data.hub_rows import samples_of
    from captioner.data.packed import unpacked_rows
    from captioner.data.shrinking import shrunk
    from captioner.data.table import references_of

    if not chosen.name:
        raise UserError("data.name should be owner/name on the Hugging Face hub, or a folder, got nothing; set it")
    folder = Path(root) / _folder_name(chosen)
    _check_used(chosen)
    if chosen.local and Path(chosen.name).resolve() in folder.resolve().parents:
        raise UserError(f"data.root should not be inside {chosen.name}, which is read, got {root}; give another folder")

    def samples() -> Iterator[Sample]:
        opened = _opened(chosen)
        captioned = False
        by_row = len(opened) == 1 and not chosen.splits  # as Flickr30k, all of whose photos are in the split test
        for split, rows in _chosen(chosen, opened).items():
            with _errors(chosen):
                for place, photo, content, row in samples_of(chosen, rows, split, by_row):
                    captioned |= bool(row["caption"])
                    if chosen.shorter_edge and isinstance(content, bytes):
                        content = shrunk(content, chosen.shorter_edge)
                    yield place, photo, content, row
        if not captioned:
            raise UserError(f"{chosen.name} should hold photos with captions, got no captions; check data.captions")

    references, split_of = references_of(unpacked_rows(chosen.about(), samples, folder, chosen.name))
    found: Splits = {split: [] for split in SPLIT_NAMES}
    for photo, split in _with_shares(references, split_of, val_share, test_share, seed).items():
        found[split].append(Example(photo, folder / photo, references[photo]))
    return {split: examples for split, examples in found.items() if examples or split != "test"}


def _check_used(chosen: Choices) -> None:
    """Refuse settings that would be ignored."""
    if chosen.local and chosen.revision:
        raise UserError(
            f"data.revision is for data sets of the hub, got {chosen.revision} for {chosen.name} of this computer; leave it out"
        )
    if (chosen.saved or Path(chosen.name).is_file()) and chosen.subset:
        raise UserError(
            f"data.subset is for data sets with several configurations, got {chosen.subset} for {chosen.name}, which has one; leave it out"
        )


def _folder_name(chosen: Choices) -> str:
    """A name for the folder of the unpacked photos; folders of the same name get different ones."""
    path = Path(chosen.name).resolve()
    own = f"{path.name}-{crc32(os.fsencode(path)):08x}" if chosen.local else chosen.name
    return re.sub(r"[^\w.-]+", "-", "-".join(filter(None, [own, chosen.subset, chosen.revision])))


def _opened(chosen: Choices) -> dict[str, Any]:
    """The splits of the data set, each an iterable of rows whose photos are not decoded."""
    name, local = chosen.name, chosen.local
    datasets = library("datasets", "data.kind=hf", "hf")
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # errors are raised too
    path = Path(name)
    options = {"name": chosen.subset or None, "revision": chosen.revision or None, "streaming": True}
    with _errors(chosen):
        if local and chosen.saved:
            opened = datasets.load_from_disk(name)
        elif local and path.is_file():
            if path.suffix not in _FORMATS:
                raise UserError(f"data.name should be a folder, or a .parquet or .arrow file, got {name}; {_CHECK}")
            opened = datasets.load_dataset(_FORMATS[path.suffix], data_files=name, streaming=True)
        else:
            if not local:
                _check_name(name)
                check_reachable()
            opened = datasets.load_dataset(str(path.absolute()) if local else name, **options)
        by_split = opened if isinstance(opened, dict) else {str(opened.split or "train"): opened}
        streams = {
            split: rows if hasattr(rows, "decode") else rows.to_iterable_dataset() for split, rows in by_split.items()
        }
        return {split: rows.decode(False) if rows.features else rows for split, rows in streams.items()}


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise UserError(
            f"data.name should be owner/name on the Hugging Face hub, or a folder, got {name}, and there is no such folder; {_CHECK}"
        )


@contextmanager
def _errors(chosen: Choices) -> Iterator[None]:
    """Turn the errors of the library into a UserError."""
    from captioner.data.hub_rows import check_parquet

    name = chosen.name
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        fault, text = type(error).__name__, reason(error)
        if "Config name is missing" in text or "BuilderConfig" in text:
            raise UserError(f"data.subset should name a configuration of {name} ({text}); set it") from error
        if "scripts are no longer supported" in text:
            raise UserError(
                f"{name} is a program, which is not run ({text}); data.revision=refs/convert/parquet reads the hub's copy in Parquet, "
                "if it has made one"
            ) from error
        if chosen.local:
            check_parquet(name)
        if chosen.local or fault in ("EmptyDatasetError", "DataFilesNotFoundError"):
            with parsing(name, "a data set that the library datasets reads", f"{_CHECK} and data.subset"):
                raise
        if fault == "DatasetNotFoundError":
            raise UserError(
                f"there is no data set {name} on the hub, or it is private or gated ({text}); {_CHECK}, or ask for access and "
                "run `hf auth login`"
            ) from error
        with hub_errors(name, "data set"):
            raise


def _chosen(chosen: Choices, opened: Mapping[str, Any]) -> dict[str, Any]:
    """The splits by the names used here."""
    wanted = chosen.splits
    strange = [split for split in wanted if split not in SPLIT_NAMES]
    if strange:
        raise UserError(f"data.splits should name {', '.join(SPLIT_NAMES)}, got {strange[0]!r}")
    lacking = [own for own in wanted.values() if own not in opened]
    found = {split: opened[own] for split, own in wanted.items() if own in opened}
    if not wanted:
        found, left = _by_name(opened)
        if left and found:
            print_note(
                f"left out of {chosen.name}: {', '.join(left)}; data.splits='{{train: ..., val: ...}}' says which splits to take"
            )
    if lacking or not found:
        raise UserError(
            f"{chosen.name} should have the split{'s' if not lacking else ''} {lacking[0] if lacking else 'train, val or test'}, got "
            f"{', '.join(opened) or 'none'}; say which is which as in data.splits='{{train: train2017, val: val2017}}'"
        )
    return found


def _with_shares(
    references: Mapping[str, object], split_of: Mapping[str, str], val_share: float, test_share: float, seed: int
) -> Mapping[str, str]:
    """The split of each photo. Training photos become those of val if there are none, and of test if there are neither."""
    from captioner.data.table import random_splits

    present = set(split_of.values())
    train = [photo for photo in references if split_of[photo] == "train"]
    if "val" in present or not train:
        return split_of
    return {**split_of, **random_splits(train, val_share, 0 if "test" in present else test_share, seed)}


def _by_name(opened: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The splits by the names used here; and the names of splits that are left out, since they mean none of them, or one already found."""
    found, left = {}, []
    for own, rows in opened.items():
        split = split_name(own)
        if split is None or split in found:
            left.append(own)
        else:
            found[split] = rows
    return found, left
