"""Modules and names under their earlier paths, which keep working for one release.

tables.py  the new path of each module, and the new name of each thing that has one

`from captioner.vocabulary import PAD` gives a DeprecationWarning that names the new path.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from captioner.moved.tables import MOVED, NAMES


def earlier_module(name: str) -> ModuleType:
    """The module `captioner.NAME` of an earlier path, for the `__getattr__` of the package."""
    if name not in MOVED:
        raise AttributeError(f"module 'captioner' has no attribute {name!r}")
    _warn(name, MOVED[name], stacklevel=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return import_module(f"captioner.{name}")


def earlier_name(module: str, name: str) -> Any:
    """What a module had under an earlier name, for the `__getattr__` of the module."""
    old = f"{module}.{name}".removeprefix("captioner.")
    if old not in NAMES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(old, NAMES[old], stacklevel=4)
    return _at(NAMES[old])


class _Forwarded(ModuleType):
    """A module under its earlier path: its names are those of the new module."""

    def __getattr__(self, name: str) -> Any:
        path = self.__name__.removeprefix("captioner.")
        if name == "__all__":
            return _public_names(path)
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{path}.{name}" in NAMES:
            old = f"{path}.{name}"
            _warn(old, NAMES[old], stacklevel=3)
            return _at(NAMES[old])
        value = _at(f"{MOVED[path]}.{name}")
        _warn(path, MOVED[path], stacklevel=3)
        return value


def _public_names(path: str) -> list[str]:
    """What `import *` imports from a module under its earlier path."""
    new = import_module(f"captioner.{MOVED[path]}")
    names = getattr(new, "__all__", [name for name in vars(new) if not name.startswith("_")])
    renamed = [old.rpartition(".")[2] for old in NAMES if old.rpartition(".")[0] == path]
    return sorted({*names, *renamed})


def _at(path: str) -> Any:
    """The thing of a path below `captioner`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"captioner.{module}"), name)


def _warn(old: str, new: str, stacklevel: int) -> None:
    text = f"captioner.{old} is now captioner.{new}; the earlier path works for one release"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)


class ForwardingLoader(Loader):
    """Makes modules whose names are those of the new modules."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        old = spec.name.removeprefix("captioner.")
        _warn(old, MOVED[old], stacklevel=3)  # the import statement, since Python skips its own frames
        return _Forwarded(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        import_module(f"captioner.{MOVED[module.__name__.removeprefix('captioner.')]}")


def spec_of(name: str) -> ModuleSpec | None:
    """How to import a module under its earlier path; None for any other name."""
    return ModuleSpec(name, ForwardingLoader(), is_package=True) if name.removeprefix("captioner.") in MOVED else None
