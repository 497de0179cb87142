"""Imports of the previous version's paths work for one release, with a warning that names the new path."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec

import pytest

from captioner.moved import MOVED

STATEMENTS = [  # of notebooks written for the previous version
    "from captioner import build, comparison, runs",
    "from captioner.vocabulary import END, PAD, START",
    "from captioner.photos import diagnose",
    "from captioner.data.figures import COLOURS",
    "from captioner.encoders.store import FeatureStore",
    "from captioner.tokens.ptb import ptb_words",
    "import captioner.objects.synonyms",
]


@pytest.mark.parametrize("old", MOVED)
def test_an_earlier_path_is_unused_and_its_new_path_exists(old):
    assert find_spec(f"captioner.{MOVED[old]}") is not None
    sys.modules.pop(f"captioner.{old}", None)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        module = import_module(f"captioner.{old}")
    assert f"captioner.{old} is now captioner.{MOVED[old]}" in str(heard[-1].message)
    assert heard[-1].category is DeprecationWarning
    new = import_module(f"captioner.{MOVED[old]}")
    public = [name for name in vars(new) if not name.startswith("_")]
    assert public
    assert all(getattr(module, name) is getattr(new, name) for name in public if not hasattr(type(module), name))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_imports_of_earlier_notebooks_work(statement):
    done = subprocess.run([sys.executable, "-W", "always", "-c", statement], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "DeprecationWarning: captioner." in done.stderr


def test_a_script_sees_the_warning_at_its_own_line(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("from captioner.vocabulary import PAD\n", encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mine.py:1: DeprecationWarning: captioner.vocabulary is now captioner.text.vocabulary" in done.stderr


def test_a_path_that_never_was_is_still_an_error():
    with pytest.raises(ModuleNotFoundError):
        import_module("captioner.vocabularies")
