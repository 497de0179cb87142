"""The values that a type allows, in words."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from captioner.ranges import OneOf

_TYPES = {int: "integer", float: "number", str: "text", bool: "true or false"}


def values_of(annotation: Any) -> str:
    """The type and range of a setting: `integer, 1 or more`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *constraints = get_args(annotation)
        return _constrained(base, constraints)
    if origin is Literal:
        return _choice(get_args(annotation))
    if origin in (Union, UnionType):
        parts = [inner for inner in get_args(annotation) if inner is not NoneType]
        return "; or ".join([*map(values_of, parts), *(["null"] if NoneType in get_args(annotation) else [])])
    if origin in (tuple, list):
        return _list_of(get_args(annotation)[0])
    if origin is dict:
        return "such values by name"
    return _TYPES[annotation]


def default_of(value: Any) -> str:
    """A default as YAML writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "''" if value == "" else str(value)


def _list_of(inner: Any) -> str:
    if get_origin(inner) is Literal:
        return f"a list of {values_of(inner)}"
    return (
        "a list of names"
        if inner is str
        else "a list of settings"
        if get_origin(inner) is dict
        else "a list of such values"
    )


def _constrained(base: type, constraints: list[Any]) -> str:
    names = next((constraint.names for constraint in constraints if isinstance(constraint, OneOf)), None)
    if names is not None:
        return _choice(names)
    low = next((_low(base, constraint) for constraint in constraints if isinstance(constraint, (Ge, Gt))), "")
    high = next((_high(constraint) for constraint in constraints if isinstance(constraint, (Le, Lt))), "")
    bounds = f"{low} {high}" if high else low if low.startswith("above") else f"{low} or more"
    return f"{_TYPES[base]}, {bounds}"


def _low(base: type, constraint: Ge | Gt) -> str:
    if isinstance(constraint, Ge):
        return str(constraint.ge)
    return str(int(constraint.gt) + 1) if base is int else f"above {constraint.gt}"  # pyright: ignore[reportArgumentType]


def _high(constraint: Le | Lt) -> str:
    return f"to {constraint.le}" if isinstance(constraint, Le) else f"to below {constraint.lt}"


def _choice(names: Any) -> str:
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}" if others else last
