"""Imports point down: a part never knows who uses it, and siblings do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "captioner"

LAYERS = [  # top to bottom; names in one row do not import each other
    ["__init__", "__main__"],
    ["cli"],
    ["commands"],
    ["builder"],
    ["training", "explain", "visualize", "captioner"],
    ["metrics", "search", "ensemble"],
    ["model", "features"],
    ["decoders", "encoders", "data"],
    ["attention", "text", "readers", "progress"],
    ["layers", "regions", "files", "errors", "ranges", "moved"],
]
HEIGHT = {name: len(LAYERS) - row for row, names in enumerate(LAYERS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The name of a file's part: its folder in the package, or its own name."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported_parts(path: Path) -> set[str]:
    """Parts of the package that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "captioner":
            names |= {f"captioner.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("captioner.")}


def test_there_are_files():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = part_of(path)
    for imported in imported_parts(path) - {own}:
        assert HEIGHT[imported] < HEIGHT[own], f"{own} may not import {imported}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_builder_and_above_know_settings(path):
    if HEIGHT[part_of(path)] < HEIGHT["builder"]:
        assert "builder" not in imported_parts(path)
