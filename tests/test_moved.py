"""Imports of the previous version's paths and names work for one release, with a warning that names the new one."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from captioner.moved import MOVED, NAMES
from captioner.progress import TerminalReport

STATEMENTS = [  # of notebooks written for the previous version
    "from captioner import build, comparison, runs",
    "from captioner.vocabulary import END, PAD, START",
    "from captioner.photos import diagnose",
    "from captioner.data.figures import COLOURS",
    "from captioner.encoders.store import FeatureStore",
    "from captioner.tokens.ptb import ptb_words",
    "import captioner.objects.synonyms",
    "from captioner.tokens import ptb, ptb_words",
    "from captioner.tokens import *; ptb_words('a cat')",
    "from captioner.evaluation import *; evaluate, score_files",
    "from captioner.search import Captioner, Greedy, Limits, draw",
    "from captioner.cli.training import train, compare; from captioner.cli.judging import evaluate, Java",
    "import captioner; captioner.units.NAMES",
    "captioner.map_shape",
]
EARLIER = dict(line.split(": ") for line in (Path(__file__).parent / "earlier_names.txt").read_text().splitlines())
"""The public names of the previous version by module; "." is the package itself."""
GONE = {
    "build": "make_plan",
    "build.parts": "make_plan make_rewards",
    "decoders.cells": "CANDIDATES Squash maxout",
    "decoders.recurrent": "beside kept_exact",
    "encoders.sources": "Found Item",
    "ensemble": "Memories Several",
    "explain": "agreement shape_estimates",
    "explain.agreement": "SLIVER",
    "explain.deletion": "Areas areas curves",
    "explain.shape": "shape_estimates",
    "inspection.judging": "Judged",
    "inspection.watching": "Replacing batches cider_of mean_region read_references regions_of replacing_costs written",
    "metrics.bleu": "NUMBERS bleu bleu_numbers",
    "metrics.diversity": "Given known_captions",
    "metrics.sequences": "Found",
    "pictures": "check_heads",
    "search.caption": "real_regions",
    "search.limits": "USUAL",
    "search.steps": "Chosen Standing",
    "serve.answers": "Report",
    "training.optimisation": "mixed_precision",
    "training.stopping": "stop_signals",
    "visualize.overlay": "grey_of told",
}
"""Names that no longer work under their earlier module; the changelog lists them."""
CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")


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
    renamed = [earlier.rpartition(".")[2] for earlier in NAMES if earlier.rpartition(".")[0] == old]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same = [name for name in public if not hasattr(type(module), name) and name not in renamed]
        assert all(getattr(module, name) is getattr(new, name) for name in same)


def test_a_script_with_earlier_imports_works_and_is_warned_at_its_own_lines(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("\n".join(STATEMENTS), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = {int(line) for line in re.findall(r"mine\.py:(\d+): DeprecationWarning: captioner\.", done.stderr)}
    assert lines == set(range(1, len(STATEMENTS) + 1)), done.stderr


def test_a_path_that_never_was_is_still_an_error():
    with pytest.raises(ModuleNotFoundError):
        import_module("captioner.vocabularies")


def test_there_are_earlier_names():
    assert len(EARLIER) > 150
    assert sum(len(names.split()) for names in EARLIER.values()) > 800


@pytest.mark.parametrize("module", EARLIER)
def test_every_earlier_name_works_or_is_listed_as_gone(module):
    """A name whose module is no longer there, or has it no longer, gives a warning."""
    path = f"captioner.{module}".rstrip(".")
    gone = GONE.get(module, "").split()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        old = import_module(path)
        for name in set(EARLIER[module].split()) - set(gone):
            before = len(heard)
            value = getattr(old, name)
            assert not isinstance(value, ModuleType), name
            if module in MOVED or f"{module}.{name}" in NAMES:
                assert len(heard) > before, name
                assert heard[-1].category is DeprecationWarning
                assert heard[-1].filename == __file__
        here = vars(old) if module not in MOVED else {}
        assert [name for name in gone if not isinstance(here.get(name), ModuleType) and hasattr(old, name)] == []


@pytest.mark.parametrize("module", GONE)
def test_the_changelog_lists_the_names_that_are_gone(module):
    (line,) = re.findall(rf"^\| `{re.escape(module)}` \|.*$", CHANGELOG, re.MULTILINE)
    missing = [name for name in GONE[module].split() if f"`{name}`" not in line]
    assert missing == []


def test_the_earlier_name_of_the_terminal_report_works():
    with pytest.warns(DeprecationWarning, match="Reporter is now TerminalReport"):
        from captioner.progress import Reporter
    assert Reporter is TerminalReport


def test_a_module_that_imports_an_earlier_path_second_is_warned_too(tmp_path):
    """Python makes a module once; its second user has to read the warning as well."""
    import_module("captioner.vocabulary")
    with pytest.warns(DeprecationWarning, match=r"captioner\.vocabulary is now captioner\.text\.vocabulary"):
        from captioner.vocabulary import PAD  # noqa: F401
