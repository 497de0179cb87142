"""The number of modules that the two most frequent commands import, and that a reader has to follow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch.torch_version import TorchVersion

from tests.builder.test_renamed import OLD_RUN
from tests.helpers import CONFIGS, DRAWN

COUNT = """
import json, sys
def count():
    print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "captioner")))
"""
CAPTION = (
    COUNT
    + """
from captioner.cli import main
try:
    main()
finally:
    count()
"""
)
FIRST_STEP = (
    COUNT
    + """
import os, runpy, torch
def step(*arguments, **options):
    count()
    sys.stdout.flush()
    os._exit(0)
torch.optim.Adam.step = step
runpy.run_path(sys.argv[0], run_name="__main__")
"""
)


def modules(program: str, *arguments: str) -> list[str]:
    """Modules of captioner that a program has imported, where it counts them."""
    code = f"import sys; sys.argv = {list(arguments)!r}\n{program}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CONFIGS.parent)
    line = next((line for line in done.stdout.splitlines() if line.startswith("[")), None)
    assert line is not None, done.stderr
    return json.loads(line)


def test_captioning_a_photo_imports_at_most_90_modules(pictures):
    photo = min((pictures / "images").glob("val_*.png"))
    names = modules(CAPTION, "captioner", "caption", str(photo), "--model", str(OLD_RUN))
    assert "captioner.captioner" in names
    assert len(names) <= 90, names


SLOW = (
    "timm",
    "torchvision",
    "torch._dynamo",
    "sympy",
    "matplotlib",
    "pandas",
    "scipy",
    "nltk",
    "pycocotools",
    "wandb",
)
"""Packages of which each takes longer to import than the bundled model takes to caption a photo."""


def test_captioning_with_the_bundled_model_waits_for_no_slow_import():
    photo = next((CONFIGS.parent / "examples").glob("*.jpg"))
    program = CAPTION.replace('.split(".")[0] == "captioner"', f" in {SLOW}")
    by_torch = {"sympy"} if TorchVersion(torch.__version__) < (2, 7) else set()
    assert set(modules(program, "captioner", "caption", str(photo))) <= by_torch


def test_training_up_to_the_first_step_imports_at_most_100_modules(settings):
    names = modules(FIRST_STEP, str(CONFIGS.parent / "train.py"), str(DRAWN), *settings)
    assert "captioner.training.step" in names
    assert len(names) <= 100, names


@pytest.mark.parametrize("statement", ["import captioner", "import captioner.cli"])
def test_importing_the_package_imports_no_torch(statement):
    code = f"import sys; {statement}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


QUICK = {
    "captioner --help": "Image captioning",
    "captioner train --help": "Train a model",
    "captioner settings --help": "setting",
    "train.py nothing.yaml": "no config at nothing.yaml",
    "captioner train nothing.yaml": "no config at nothing.yaml",
    "captioner train tests": "got the folder tests",
    "captioner describe nothing.yaml": "no config at nothing.yaml",
    "captioner doctor nothing.yaml": "no config at nothing.yaml",
    "captioner compare nothing.yaml": "no config at nothing.yaml",
}
"""Commands and what they say without computing anything."""
SAID = """
import runpy
from contextlib import suppress
with suppress(SystemExit):
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        from captioner.cli import main
        main()
print([name for name in ("torch", "torchvision", "numpy", "PIL") if name in sys.modules])
"""


@pytest.mark.parametrize("line", QUICK)
def test_help_and_missing_configs_come_before_slow_imports(line):
    """Each of these packages takes longer to import than the rest of the answer; torch takes seconds."""
    code = f"import sys; sys.argv = {line.split()!r}\n{SAID}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CONFIGS.parent)
    assert QUICK[line] in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
