"""Reading settings: one YAML file per experiment with an optional `base:`, overrides, and checks against constructor signatures.

This file knows none of the parts. A schema is the signature of a constructor as a pydantic model, without the arguments that the
caller supplies. What a part accepts is therefore stated once, in the part. Every error is a UserError of one line that names the key.
"""

from __future__ import annotations

import difflib
import inspect
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, get_type_hints

import pydantic
import yaml

from captioner.errors import UserError
from captioner.files import with_home
from captioner.readers import CONFIGS, find_config, parse_yaml, read_text

Nested = dict[str, Any]
"""Settings as in a config file: sections, each with values by key."""
Lasting = Callable[[str, Nested, Nested], Collection[str]]
"""The keys that keep their values when a section's kind or score changes; takes its name, its old values and the new ones."""
_STRICT = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def read_settings(
    path: Path,
    overrides: Sequence[str] = (),
    lasting: Lasting = lambda section, old, new: (),
    translate: Callable[[Nested], Nested] = lambda settings: settings,
) -> Nested:
    """Read a config on top of its base, with overrides (`section.key=value`) on top of both.

    Args:
        path: the config.
        overrides: changes of single keys.
        lasting: keys of a section that keep their values when its kind or score changes.
        translate: replaces earlier names in each file and override.
    """
    path = find_config(path)
    settings = translate(_read_file(path))
    base = settings.pop("base", None)
    if base is not None:
        if not isinstance(base, str):
            raise UserError(f"base of {path} should be the path of another config, got {reprlib.repr(base)}")
        below_path = path.parent / base
        if not below_path.exists() and (CONFIGS / base).is_file():
            below_path = CONFIGS / base
        below = translate(_read_file(find_config(below_path)))
        if "base" in below:
            raise UserError(f"{below_path} has a base too; only one level is allowed, so copy its settings")
        settings = merge(below, settings, lasting)
    changes = [translate(parse_override(override)) for override in overrides]
    for change in sorted(changes, key=_names_last):  # a new kind or score comes before its keys
        settings = merge(settings, change, lasting)
    return with_home(settings)


def parse_override(override: str) -> Nested:
    """`decoder.dropout=0.3` as `{decoder: {dropout: 0.3}}`. A value that is not YAML, such as `{split}2014`, is text."""
    key, equals, value = override.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        raise UserError(f"an override has the form section.key=value, such as run.epochs=4, got {override!r}")
    try:
        return {section: {name: parse_yaml(value, override)}}
    except UserError:
        return {section: {name: value}}


def _names_last(change: Nested) -> int:
    """0 for a change of a kind, 1 of a score, 2 of any other key."""
    names = ("kind", "score")
    return next((rank for rank, name in enumerate(names) if any(name in keys for keys in change.values())), 2)


def merge(below: Nested, above: Nested, lasting: Lasting = lambda section, old, new: ()) -> Nested:
    """Merge `above` into `below`, key by key.

    If the kind or score of a section changes, its other keys are dropped, except the `lasting` ones: they belonged to the old kind.
    """
    merged = dict(below)
    for section, values in above.items():
        old = merged.get(section)
        if isinstance(values, dict) and not isinstance(old, (dict, NoneType)):
            raise UserError(
                f"{section} should be a section of settings, got {reprlib.repr(old)}; give its keys below it"
            )
        if not (isinstance(old, dict) and isinstance(values, dict)):
            merged[section] = values
            continue
        if _changes("kind", old, values) or _changes("score", old, values):
            kept = {"kind", *lasting(section, old, values)}
            old = {key: value for key, value in old.items() if key in kept}
        merged[section] = {**old, **values}
    return merged


def _changes(name: str, old: Nested, new: Nested) -> bool:
    return name in old and name in new and old[name] != new[name]


def single_keys(values: Nested) -> Nested:
    """A section whose lists of settings are taken apart, with keys such as `parts[0].share`."""
    single: Nested = {}
    for key, value in values.items():
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            single |= {
                f"{key}[{index}].{name}": own for index, entry in enumerate(value) for name, own in entry.items()
            }
        else:
            single[key] = value
    return single


def suggestion(word: object, known: Collection[str]) -> str:
    close = nearest(word, known)
    return f"; did you mean {close!r}?" if close is not None else ""


def nearest(word: object, known: Collection[str]) -> str | None:
    """The most similar name, or None if none is similar."""
    return next(iter(difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)), None)


Hint = Callable[[str, Collection[str]], str]
"""Makes a suggestion for an unknown key, given the known ones."""


def check_keys(given: Iterable[str], known: Collection[str], where: str, hint: Hint = suggestion) -> None:
    for key in given:
        if key not in known:
            raise UserError(f"unknown {where} {key!r}{hint(key, known)}; known: {', '.join(known)}")


def check_values(
    section: str,
    values: Mapping[str, Any],
    constructors: Sequence[Callable],
    supplied: Collection[str],
    hint: Hint = suggestion,
    named: Collection[str] = (),
) -> Nested:
    """Check a section against signatures and fill in defaults.

    Args:
        section: name of the section, for messages.
        values: keys of the config, without `kind` and `score`.
        constructors: the parts of the section; each takes its own keys.
        supplied: arguments that the caller supplies and a config cannot set.
        hint: makes a suggestion for an unknown key.
        named: other known keys, such as `kind`.
    """
    for key in values:
        if key in supplied:
            raise UserError(f"{section}.{key} is not a setting: it follows from the other parts; leave it out")
    schemas = [_schema(constructor, frozenset(supplied)) for constructor in constructors]
    known = [*named, *(name for schema in schemas for name in schema.model_fields)]
    check_keys(values, known, f"key in {section}:", hint)
    resolved: Nested = {}
    for schema in schemas:
        own = {
            name: _as_text(value, schema.model_fields[name].annotation)
            for name, value in values.items()
            if name in schema.model_fields
        }
        try:
            resolved |= schema(**own).model_dump()
        except pydantic.ValidationError as error:
            raise UserError(_complaint(section, error, schema)) from error
    return resolved


def _as_text(value: Any, kind: Any) -> Any:
    """What YAML makes of text without quotes: of `{split}`, and of nothing, as in `data.leave_out=`."""
    if value == {"split": None}:
        return "{split}"
    return "" if value is None and kind is str else value


def arguments(constructor: Callable, values: Mapping[str, Any]) -> Nested:
    """The values that the constructor takes."""
    names = inspect.signature(constructor).parameters
    return {name: value for name, value in values.items() if name in names}


def argument_types(constructor: Callable) -> dict[str, Any]:
    """The annotated type of each argument of a class, a dataclass, a function, or a functools.partial of one."""
    part = getattr(constructor, "func", constructor)
    is_plain_class = inspect.isclass(part) and not is_dataclass(part)
    return get_type_hints(part.__init__ if is_plain_class else part, include_extras=True)


@lru_cache
def _schema(constructor: Callable, supplied: frozenset[str]) -> type[pydantic.BaseModel]:
    part, hints = getattr(constructor, "func", constructor), argument_types(constructor)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name not in supplied:
            if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise UserError(f"{part.__qualname__}.__init__: {parameter} needs a name and a type, such as size: int")
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (hints[name], default)
    return pydantic.create_model(part.__qualname__, __config__=_STRICT, **fields)


def _complaint(section: str, error: pydantic.ValidationError, schema: type[pydantic.BaseModel]) -> str:
    """The first error in one line: the key, what was expected, what was given, and a valid example."""
    name = str(error.errors()[0]["loc"][0])
    # Of a value that may have several types, the error deepest inside it.
    first = max((other for other in error.errors() if other["loc"][0] == name), key=lambda other: len(other["loc"]))
    places = [place for place in first["loc"] if isinstance(place, int) or place.isidentifier()]  # no names of types
    key = ".".join([section, *map(str, places)])
    if first["type"] == "missing":
        return f"{key} is missing; give it in the config or as {key}=..."
    wanted = first["msg"].removeprefix("Input should be ")
    example = "" if first["type"] == "literal_error" else _example(schema, name, first["input"])
    more = f"; for example {section}.{name}={example}" if example else ""
    return f"{key} should be {wanted}, got {reprlib.repr(first['input'])}{more}"


def _example(schema: type[pydantic.BaseModel], name: str, given: Any) -> str:
    """A valid value as YAML: the default if it is informative, or a list of what was given; empty if none is at hand."""
    field = schema.model_fields[name]
    fields: dict[str, Any] = {name: (field.annotation, field)}
    model = pydantic.create_model(name, __config__=_STRICT, **fields)
    defaults = [] if field.is_required() or field.default in (None, "") else [field.default]
    for value in (*defaults, 0.001, 4, "name", [given], ["train"]):
        with suppress(pydantic.ValidationError):
            model(**{name: value})
            return yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    return ""


def _read_file(path: Path) -> Nested:
    settings = parse_yaml(read_text(path, "check the path of the config"), str(path))
    if not isinstance(settings, dict):
        raise UserError(
            f"{path} should hold sections such as `decoder: {{kind: lstm}}`, got "
            f"{'nothing' if settings is None else reprlib.repr(settings)}"
        )
    return settings
