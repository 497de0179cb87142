"""Several data sets as one: `data.kind=joined`."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from captioner.data import KINDS
from captioner.data.contract import Example, Part, Splits
from captioner.errors import UserError

FORM = "write data.parts: [{kind: coco, root: flickr8k}, {kind: coco, root: pascal, share: 2}]"
_OWN = {field.name for field in fields(Part)}


def join(parts: Sequence[Mapping[str, Any]], root: str, only: str) -> Splits:
    """The splits of all parts, or of one; see `captioner.data.joined`."""
    named = with_names(parts, root)
    names = [str(values["name"]) for values in named]
    if only and only not in names:
        raise UserError(f"data.only should name a part of the data, got {only!r}; its parts are {', '.join(names)}")
    folders = [os.path.join(root, values["root"]) for values in named if "root" in values]
    if folders and not any(map(os.path.exists, folders)):
        raise UserError(
            f"none of the folders of data.parts is in {os.path.abspath(root)}, got first {named[0].get('root', '')}; "
            "set data.root to the folder of all parts"
        )
    joined: Splits = {}
    for index, values in enumerate(named):
        if only in ("", values["name"]):
            for split, examples in _read(f"data.parts[{index}]", values, root).items():
                joined.setdefault(split, []).extend(examples if only else map(_with_whole_id, examples))
    return joined


def with_names(parts: Sequence[Mapping[str, Any]], root: str) -> list[dict[str, Any]]:
    """The parts, each with a name of its own.

    Raises:
        UserError: there are no parts, or two have the same name.
    """
    if not parts:
        raise UserError(f"data.parts should list data sets, got none; {FORM}")
    named = [{**values, "name": values.get("name") or _default_name(values, root)} for values in parts]
    names = [values["name"] for values in named]
    for index, name in enumerate(names):
        if re.search(r"[^\w.+-]", name):
            raise UserError(
                f"data.parts[{index}].name should be letters, digits, - and _, got {name!r}; choose another"
            )
        if name in names[:index]:
            raise UserError(
                f"every part of the data needs a name of its own, got {name} for data.parts[{names.index(name)}] and "
                f"data.parts[{index}]; give one of them another `name`"
            )
    return named


def _default_name(values: Mapping[str, Any], root: str) -> str:
    """The last part of its root, without characters that do not suit a file name."""
    folder = os.path.abspath(os.path.join(root, str(values.get("root", ""))))
    return re.sub(r"[^\w.+-]+", "-", os.path.basename(folder)).strip("-.") or str(values["kind"])


def _read(place: str, values: Mapping[str, Any], root: str) -> Splits:
    """The splits of a part."""
    part = Part(**{name: value for name, value in values.items() if name in _OWN})
    reader = KINDS[values["kind"]]
    takes = inspect.signature(reader).parameters
    options = {name: value for name, value in values.items() if name in takes}
    options["root"] = os.path.join(root, values["root"] if "root" in values else takes["root"].default)
    try:
        splits = reader(**options)
    except UserError as error:  # which names the settings as if there were no other data
        raise UserError(
            re.sub(rf"(?<![\w/.-])data\.(?=({'|'.join(['kind', *takes])})\b)", f"{place}.", str(error))
        ) from error
    return {
        split: [replace(example, part=part) for example in examples]
        for split, examples in _chosen(place, part, splits).items()
    }


def _chosen(place: str, part: Part, splits: Splits) -> Splits:
    """The splits that are taken from a part."""
    present = [split for split, examples in splits.items() if examples]
    wanted = present if part.splits is None else list(dict.fromkeys(part.splits))
    lacking = [split for split in wanted if split not in present]
    if lacking or not wanted:
        raise UserError(
            f"{place}.splits should name splits of {part.name}, got {lacking[0] if lacking else 'none'}; it has "
            f"{', '.join(present) or 'no photos'}"
        )
    if part.share != 1 and "train" not in wanted:
        raise UserError(
            f"{place}.share={part.share:g} is for training photos, got the splits {', '.join(wanted)} of {part.name}; leave it out"
        )
    return {split: splits[split] for split in wanted}


def _with_whole_id(example: Example) -> Example:
    return replace(example, id=f"{example.part.name}/{example.id}")


def check_file_names(splits: Splits) -> None:
    """Refuse photos of joined data that would read the same region file."""
    named: dict[str, Example] = {}
    for example in [example for examples in splits.values() for example in examples]:
        other = named.setdefault(example.image.stem, example)
        if other.part.name != example.part.name:
            raise UserError(
                f"a region file is found by its photo's name, got {other.image} and {example.image} of two parts of the data; "
                "rename the photos of one part and their region files, or choose another encoder.kind"
            )
