"""The package stays easy to navigate: few loose files, no file name twice, short modules and functions."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "captioner"
FILES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES if path.parent != PACKAGE})

MAX_LOOSE_FILES = 10
MAX_MODULE_LINES = 250
MAX_FUNCTION_LINES = 50
SHARED_NAMES = {"__init__.py", "contract.py"}
"""Names of files that may occur in several folders."""


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions and methods of a file, inner functions too."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_are_files_folders_and_functions():
    assert len(FILES) > 100
    assert len(FOLDERS) > 10
    assert sum(len(functions(path)) for path in FILES) > 500


def test_few_files_lie_outside_the_folders():
    loose = [path.name for path in PACKAGE.glob("*.py")]
    assert 0 < len(loose) <= MAX_LOOSE_FILES, loose


def test_a_file_name_occurs_once():
    counts = Counter(path.name for path in FILES if path.name not in SHARED_NAMES)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_module_is_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_function_is_short(path):
    lengths = {function.name: function.end_lineno - function.lineno + 1 for function in functions(path)}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_folders_docstring_names_its_files(folder):
    """`name.py`, or a folder's `name/`; so that the folder's first page is its map."""
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    assert [name for name in sorted(files | folders) if name not in docstring] == []
