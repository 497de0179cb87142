"""The settings of every section, kind and score, read from the constructors that take them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from captioner import attention, builder
from captioner.builder.config import argument_types, check_keys, suggestion
from captioner.builder.renamed import REMOVED, RENAMED, note_once
from captioner.builder.schema import BESIDE, DEFAULT_KINDS, SECTIONS, SUPPLIED, TABLES, takes_score
from captioner.commands.settings.setting_values import default_of, values_of
from captioner.data import Part
from captioner.encoders import TorchvisionNetwork
from captioner.errors import UserError

REQUIRED = "required"
NETWORKS = "any torchvision network"


@dataclass(frozen=True)
class Setting:
    """One key of a config."""

    key: str
    values: str  # type and range
    default: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """Settings that belong together: those of a section, of a kind, or of a score."""

    section: str
    name: str  # run, attention.kind=soft, attention.score=dot
    summary: str
    settings: list[Setting]


def groups() -> list[Group]:
    """All settings, section by section."""
    return [group for section in SECTIONS for group in _groups_of(section)]


def find(name: str | None) -> list[Group]:
    """The groups of a section (`run`), of a kind (`attention.kind=soft`) or with a key (`run.monitor`).

    Raises:
        UserError: there is no such section, kind or key.
    """
    if name is None:
        return groups()
    left, equals, value = name.partition("=")
    section, _, key = left.partition(".")
    check_keys([section], SECTIONS, "section")
    if key in RENAMED.get(section, {}):
        note_once(f"{left} is now called {section}.{RENAMED[section][key]}")
        left, key = f"{section}.{RENAMED[section][key]}", RENAMED[section][key]
    of_section = _groups_of(section)
    if equals:
        return _of_choice(of_section, section, key, value)
    if not key:
        return of_section
    keys = {setting.key for group in of_section for setting in group.settings}
    if left not in keys:
        names = sorted(listed.partition(".")[2] for listed in keys)
        if key in REMOVED.get(section, ()):
            raise UserError(f"{left} was removed; see captioner settings decoder.kind=att2in, which it became")
        raise UserError(f"no setting {left}{suggestion(key, names)}; {section} has {', '.join(names)}")
    chosen = [
        (group, [setting for setting in group.settings if left in (setting.key, group.name)]) for group in of_section
    ]
    return [Group(group.section, group.name, group.summary, settings) for group, settings in chosen if settings]


def _of_choice(of_section: list[Group], section: str, key: str, value: str) -> list[Group]:
    """The groups that matter under `section.kind=value` or `attention.score=value`."""
    if key == "score" and section == "attention":
        if value not in attention.SCORES:
            names = ", ".join(attention.SCORES)
            raise UserError(f"no {section}.{key}={value}{suggestion(value, attention.SCORES)}; scores: {names}")
        return [group for group in of_section if group.name == f"attention.score={value}"]
    if key != "kind" or section not in TABLES:
        raise UserError(f"captioner settings takes section.kind=name, got {section}.{key}={value}; leave out ={value}")
    constructor = builder.part(section, value)
    names = [section, f"{section}.kind={value if value in TABLES[section] else NETWORKS}"]
    if value == "joined":
        names.append(_PARTS.name)
    if takes_score(constructor):
        names += [f"attention.score={score}" for score in attention.SCORES]
    return [group for group in of_section if group.name in names]


def _groups_of(section: str) -> list[Group]:
    shared = [setting for record in BESIDE.get(section, []) for setting in _settings(section, record)]
    table = TABLES.get(section, {})
    names = [_kind_setting(section), *([_score_setting()] if section == "attention" else [])] if table else []
    listed = [Group(section, section, _SUMMARIES[section], names + shared)]
    kinds: dict[str, Callable] = {**table, **({NETWORKS: TorchvisionNetwork} if section == "encoder" else {})}
    scores = attention.SCORES if section == "attention" else {}
    listed += [_group(section, f"{section}.kind={kind}", part) for kind, part in kinds.items()]
    listed += [_group(section, f"{section}.score={score}", part) for score, part in scores.items()]
    return listed + ([_PARTS] if section == "data" else [])


def _group(section: str, name: str, constructor: Callable) -> Group:
    return Group(section, name, _first_sentence(constructor), _settings(section, constructor))


def _settings(section: str, constructor: Callable) -> list[Setting]:
    hints = argument_types(constructor)
    meanings = argument_lines(constructor)
    hidden = SUPPLIED.get(section, set()) | ({"network"} if constructor is TorchvisionNetwork else set())
    return [
        Setting(
            f"{section}.{name}",
            values_of(hints[name]),
            REQUIRED if parameter.default is parameter.empty else default_of(parameter.default),
            meanings.get(name, ""),
        )
        for name, parameter in inspect.signature(constructor).parameters.items()
        if name not in hidden
    ]


def _kind_setting(section: str) -> Setting:
    names = [*TABLES[section], *([NETWORKS] if section == "encoder" else [])]
    return Setting(f"{section}.kind", ", ".join(names), DEFAULT_KINDS.get(section, REQUIRED), "see below for each kind")


def _score_setting() -> Setting:
    takers = ", ".join(kind for kind, part in attention.KINDS.items() if takes_score(part))
    return Setting("attention.score", ", ".join(attention.SCORES), "additive", f"how regions are scored; for {takers}")


def argument_lines(constructor: Callable) -> dict[str, str]:
    """The description of each argument, from the docstring's `Args:`; a class inherits those of its bases."""
    owners: Iterable[Any] = reversed(inspect.getmro(constructor)) if inspect.isclass(constructor) else [constructor]
    lines: dict[str, str] = {}
    for owner in owners:
        section = re.search(r"^Args:\n((?:    .*\n?|\n(?=    ))*)", inspect.cleandoc(owner.__doc__ or ""), re.MULTILINE)
        entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section.group(1), re.MULTILINE) if section else []
        lines |= {name: " ".join(text.split()).rstrip(".") for name, text in entries}
    return lines


def _first_sentence(constructor: Callable) -> str:
    """The first sentence of a docstring, up to the first formula."""
    paragraph = " ".join((inspect.getdoc(constructor) or "").partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[.])\s(?=[A-Z(])", paragraph)[0]
    before, formula, _ = sentence.partition("$")
    if formula:
        before = re.split(r"[:,;](?=[^:,;]*$)", before)[0]
    return f"{before.strip().rstrip('.;:,')}."


_PARTS = Group(
    "data",
    "data.parts",
    "Settings of each part of joined data, besides its `kind` and the settings of that kind; N counts the parts from 0.",
    _settings("data.parts[N]", Part),
)
_SUMMARIES = {
    "data": "The data set, its tokeniser and vocabulary, and how its photos are used.",
    "encoder": "The network that turns a photo into regions.",
    "attention": "How the decoder attends to regions.",
    "decoder": "The network that writes the caption.",
    "objective": "What training minimises.",
    "optimiser": "The optimiser.",
    "schedule": "The learning rate over the steps of training.",
    "search": "How captions are decoded. These settings may change after training.",
    "refiner": "Self-attention among the regions, before the decoder.",
    "run": "The training run: its length, its batches, and where it is stored and computed.",
    "log": "What is logged besides `log.jsonl`.",
}
