"""The package's names are imported on first use, and every one of them exists."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from captioner import metrics


@pytest.mark.parametrize("module", ["coco_scores", "bootstrap", "rewards"])
def test_training_loads_neither_java_nor_clip_nor_chair(module):
    code = f"import sys, captioner.metrics.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert f"captioner.metrics.{module}" in loaded
    assert not {f"captioner.metrics.{name}" for name in ("java", "clip", "chair", "protocol")} & set(loaded)


def test_every_name_is_there_under_the_module_that_a_type_checker_reads():
    assert metrics.__file__ is not None
    tree = ast.parse(Path(metrics.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    typed = {
        alias.name: node.module
        for node in imports
        for alias in node.names
        if "captioner.metrics" in (node.module or "")
    }
    assert typed == {name: f"captioner.metrics.{module}" for name, module in metrics._MODULE_OF.items()}
    assert all(hasattr(metrics, name) for name in typed)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(metrics, "bleurt")
