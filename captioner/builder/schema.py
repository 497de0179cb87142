"""Checks of settings against the constructors of the parts that they name.

The `kind` of a section names a part in a table. The constructor of the part is the schema of the section, without the arguments in
`SUPPLIED`, which follow from other parts. All settings are checked before any part is made.
"""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from captioner import attention, data, decoders, encoders, search
from captioner.builder.config import Nested, check_keys, check_values, nearest, read_settings, suggestion
from captioner.builder.renamed import check_both_names, earlier_name, with_new_kinds, with_new_names
from captioner.builder.sections import (
    AroundAttention,
    EncoderRate,
    EncoderStart,
    LogSettings,
    Photos,
    RunSettings,
    Settings,
    Words,
)
from captioner.encoders import Refiner
from captioner.errors import UserError, either, system_errors
from captioner.features.region_files import RegionFiles
from captioner.search import Limits
from captioner.training import objectives, optimisation

TABLES: dict[str, dict[str, Callable]] = {
    "data": data.KINDS,
    "encoder": {**encoders.KINDS, "region_files": RegionFiles},
    "attention": attention.KINDS,
    "decoder": decoders.KINDS,
    "objective": objectives.KINDS,
    "optimiser": optimisation.OPTIMISERS,
    "schedule": optimisation.SCHEDULES,
    "search": search.KINDS,
}
BESIDE: dict[str, list[Callable]] = {
    "data": [Words, Photos],
    "encoder": [EncoderStart],
    "refiner": [Refiner],
    "attention": [AroundAttention],
    "optimiser": [EncoderRate],
    "search": [Limits],
    "run": [RunSettings],
    "log": [LogSettings],
}
"""Keys of a section besides the arguments of the part that its kind names."""
SUPPLIED: dict[str, set[str]] = {
    "encoder": {"download"},
    "refiner": {"region_size", "whole_size"},
    "attention": {"query_size", "region_size", "cell_input_size", "score"},
    "decoder": {"attention", "region_size", "vocabulary_size"},
    "objective": {"model", "rewards", "bad_words"},
    "optimiser": {"parameters"},
    "search": {"limits", "bad_words"},
}
_JOINABLE = {kind: part for kind, part in data.KINDS.items() if kind not in ("joined", "hf")}  # whose name is its own
_COMMON = {name for record in BESIDE["data"] for name in inspect.signature(record).parameters} - {"missing"}
"""Keys of the section data that hold for all parts of joined data."""
DEFAULT_KINDS = {"objective": "teacher_forcing", "optimiser": "adam", "schedule": "constant", "search": "beam"}
SECTIONS = [*TABLES, "refiner", "run", "log"]


@system_errors()
def read(path: str | Path, overrides: Sequence[str] = (), note: bool = True) -> Settings:
    """Read the resolved settings of a config with overrides.

    Earlier names of settings work; `note` prints the new names.

    Raises:
        UserError: the config cannot be read, or a setting is invalid.
    """
    check_both_names(overrides)
    path = Path(path)
    settings = read_settings(path, overrides, _lasting, partial(with_new_names, note=note))
    return Settings.of(resolve(with_new_kinds(settings, path, note)))


def _lasting(section: str, old: Nested, new: Nested) -> set[str]:
    """Keys that keep their values when the kind or score of a section changes.

    In attention and decoder those that the new kind has too, with the same default; in other sections those that every kind has.
    """
    beside = {name for one in BESIDE.get(section, []) for name in inspect.signature(one).parameters}
    if section in ("attention", "decoder"):
        kind: Any = new.get("kind", old.get("kind"))
        with suppress(UserError):  # no such kind or score; found when settings are resolved
            scored = section == "attention" and takes_score(part(section, kind))
            score = new.get("score", old.get("score", "")) if scored else ""
            ours, theirs = (inspect.signature(part(section, one)).parameters for one in (kind, old.get("kind", kind)))
            unlike = {name for name in ours.keys() & theirs.keys() if ours[name].default != theirs[name].default}
            return beside | (keys_of(section, kind, score) - unlike) | ({"score"} if scored else set())
        return beside
    table = _JOINABLE if section == "data" else TABLES.get(section, {})
    kinds = [set(inspect.signature(one).parameters) for one in table.values()]
    if section == "encoder" or "joined" in (old.get("kind"), new.get("kind")):
        kinds = []  # torchvision's networks are kinds too; and the root of joined data is the folder of several data sets
    return beside.union(set.intersection(*kinds) if kinds else set())


def resolve(settings: Nested) -> dict[str, Nested]:
    """All sections with defaults filled in.

    Raises:
        UserError: a key, kind or value is invalid; the message says what is valid.
    """
    check_keys(settings, SECTIONS, "section")
    resolved = {}
    for section in SECTIONS:
        values = settings.get(section) or {}
        if not isinstance(values, dict):
            raise UserError(
                f"{section} should hold keys such as `kind:`, got {reprlib.repr(values)}; write {section}: {{kind: ...}}"
            )
        resolved[section] = _resolve_section(section, dict(values))
    return resolved


def _resolve_section(section: str, values: Nested) -> Nested:
    joined = section == "data" and values.get("kind") == "joined"
    resolved = _resolve_values(section, _with_parts(values) if joined else values)
    return resolved | {"parts": _resolve_parts(resolved["parts"], resolved["root"])} if joined else resolved


def _with_parts(values: Nested) -> Nested:
    """The settings of joined data, with keys such as `parts[0].share` put into their parts."""
    parts = values.get("parts")
    if not (isinstance(parts, list) and all(isinstance(part, dict) for part in parts)):
        from captioner.data.joined import FORM

        raise UserError(f"data.parts should be a list of data sets, got {reprlib.repr(parts)}; {FORM}")
    changed, rest = [dict(part) for part in parts], {}
    for key, value in values.items():
        single = re.fullmatch(r"parts\[(\d+)\]\.(\w+)", key)
        if single is None:
            rest[key] = value
        elif int(single[1]) < len(changed):
            changed[int(single[1])][single[2]] = value
        else:
            raise UserError(f"data.{key} is not a setting: the data has {len(changed)} parts, counted from 0")
    return rest | {"parts": changed}


def _resolve_parts(parts: Sequence[Nested], root: str) -> list[Nested]:
    """The parts of joined data with defaults filled in."""
    from captioner.data.joined import with_names

    resolved = []
    for index, part_values in enumerate(parts):
        section, values = f"data.parts[{index}]", dict(part_values)
        constructor = _lookup(f"{section}.kind", values.pop("kind", None), _JOINABLE)
        common = next((key for key in values if key in _COMMON), None)
        if common is not None:
            raise UserError(f"{section}.{common} is not a setting: all parts have the same data.{common}; set that one")
        checked = check_values(section, values, [constructor, data.Part], (), partial(_meant, "data"), ["kind"])
        resolved.append({"kind": part_values["kind"], **checked})
    return with_names(resolved, root)


def _resolve_values(section: str, values: Nested) -> Nested:
    names, constructors = {}, list(BESIDE.get(section, []))
    if section in TABLES:
        names["kind"] = values.pop("kind", DEFAULT_KINDS.get(section))
        constructors.insert(0, part(section, names["kind"]))
        if takes_score(constructors[0]):
            names["score"] = values.pop("score", "additive")
            constructors.append(_lookup("attention.score", names["score"], attention.SCORES))
        elif section == "attention" and "score" in values:
            takers = ", ".join(kind for kind, part in attention.KINDS.items() if takes_score(part))
            raise UserError(
                f"attention.kind={names['kind']} takes no score, got attention.score={values['score']}; "
                f"leave it out, or choose a kind that takes one: {takers}"
            )
    supplied = supplied_to(section, constructors[0])
    return names | check_values(section, values, constructors, supplied, partial(_meant, section), [*names])


def _meant(section: str, key: str, known: Collection[str]) -> str:
    """A suggestion for an unknown key: its earlier name, the kinds that take it, or the most similar key."""
    old = earlier_name(section, key)
    return (f" (formerly {old!r})" if old is not None else "") + _nearest_key(section, key, known)


def _nearest_key(section: str, key: str, known: Collection[str]) -> str:
    takers: dict[str, list[str]] = {}
    for kind in TABLES.get(section, {}):
        for name in keys_of(section, kind):
            takers.setdefault(name, []).append(kind)
    like = "" if key in takers else suggestion(key, known)
    meant = nearest(key, takers)
    if like or meant is None:
        return like
    spelled = "" if meant == key else f"; did you mean {meant!r}?"
    return f"{spelled}; {section}.kind={either(takers[meant])} takes it"


def keys_of(section: str, kind: str, score: str = "") -> set[str]:
    """The keys of a section for a kind, and for a score if the kind takes one.

    Raises:
        UserError: there is no such kind or score.
    """
    made = part(section, kind)
    keys = set(inspect.signature(made).parameters)
    if section == "attention" and takes_score(made):
        keys |= set(inspect.signature(_lookup("attention.score", score or "additive", attention.SCORES)).parameters)
    return keys - supplied_to(section, made)


def supplied_to(section: str, constructor: Callable) -> set[str]:
    """Arguments that a config cannot set: those that follow from other parts, and those that the kind's name gives."""
    return SUPPLIED.get(section, set()) | set(getattr(constructor, "keywords", ()))


def part(section: str, kind: Any) -> Callable:
    """The constructor that a kind names: a class or a function."""
    own = isinstance(kind, str) and kind in TABLES[section]
    if section == "encoder" and not own and kind in encoders.network_names():
        return partial(encoders.TorchvisionNetwork, network=kind)
    return _lookup(f"{section}.kind", kind, TABLES[section])


def _lookup(key: str, name: Any, table: dict[str, Callable]) -> Callable:
    if isinstance(name, str) and name in table:
        return table[name]
    more = " or any torchvision network" if key == "encoder.kind" else ""
    known = [*table, *(encoders.network_names() if more else [])]
    came = "nothing" if name is None else reprlib.repr(name)
    raise UserError(f"{key} should be one of {', '.join(table)}{more}, got {came}{suggestion(name, known)}")


def takes_score(constructor: Callable) -> bool:
    return "score" in inspect.signature(constructor).parameters


def save_settings(settings: Settings) -> str:
    """Resolved settings as YAML, section by section."""
    return yaml.safe_dump(settings.resolved, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
