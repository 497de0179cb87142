"""The names of `captioner.__all__` are there, documented, and all that notebooks take from the package's front."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import captioner
from tests.test_notebooks import NOTEBOOKS, cells_of

API = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = [name for name in captioner.__all__ if name != "__version__"]


def test_the_names_are_sorted_and_each_has_its_module():
    assert len(NAMES) > 5
    assert captioner.__all__ == sorted(captioner.__all__)
    assert sorted(captioner._MODULES) == sorted(NAMES)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", captioner.__version__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring_and_stands_in_the_documentation(name):
    value = getattr(captioner, name)
    assert inspect.getdoc(value)
    defined = f"{value.__module__}.{value.__name__}"
    assert f"## captioner.{name}\n\n::: {defined}\n" in API


def test_star_import_brings_these_names():
    names: dict = {}
    exec("from captioner import *", names)
    assert set(NAMES) <= set(names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_public_names_alone(path):
    source = "\n".join("".join(cell["source"]) for cell in cells_of(path, "code"))
    modules = {"captioner": "captioner"}
    used = []
    for module, names in re.findall(r"from (captioner[\w.]*) import ([\w, ]+)", source):
        for name in names.replace(" as ENCODERS", "").split(", "):
            if module == "captioner" and name not in NAMES:
                modules[name] = f"captioner.{name}"
            else:
                used.append(f"{module}.{name}")
    source = re.sub(r"^\s*(from|import) .*", "", source, flags=re.MULTILINE)
    for name, module in modules.items():
        used += [f"{module}.{member}" for member in re.findall(rf"(?<![\w./]){name}\.(\w+)", source)]
    public = {f"captioner.{name}" for name in NAMES} | set(re.findall(r"`(captioner\.[\w.]+)`", API))
    assert used
    assert [name for name in used if name not in public] == []


def test_training_comparing_and_checking_take_the_name_of_a_config_as_text(tmp_path):
    small = [
        f"data.root={tmp_path / 'drawn'}",
        "data.num_train=8",
        "data.num_val=4",
        "data.num_unseen=2",
        "run.epochs=1",
    ]
    small += [f"run.features={tmp_path / 'features'}", "run.device=cpu"]
    _, sizes = captioner.diagnose("drawn", small)
    assert sizes["photos"]["train"] == 8
    assert captioner.train("drawn", [*small, f"run.folder={tmp_path / 'run'}"]) == tmp_path / "run"
    lines = captioner.compare("drawn", ["none"], 1, str(tmp_path / "compared"), overrides=small)
    assert lines[0].name == "none"
