"""The package as others install it: a wheel that needs no clone."""

from __future__ import annotations

import ast
import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from captioner.readers import CONFIGS

ROOT = Path(__file__).parents[1]
PARTS = ["captioner", "configs", "examples", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"]


def test_configs_are_kept_once():
    assert CONFIGS.resolve() == ROOT / "configs"


def test_messages_name_no_program_that_only_a_clone_has():
    named = []
    for path in sorted((ROOT / "captioner").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
        named += [text for text in texts if isinstance(text, str) and re.search(r"\b(?:train|eval)\.py\b", text)]
    assert named == []


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with nothing of this clone on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of the wheel and of the source distribution that it was built from."""
    pytest.importorskip("build", reason="needs build: pip install -e '.[dev]'")
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        options = {"symlinks": True, "ignore": shutil.ignore_patterns("__pycache__")} if (ROOT / part).is_dir() else {}
        copy(ROOT / part, source / part, **options)
    done = run(sys.executable, "-m", "build", "--no-isolation", folder=source)
    assert done.returncode == 0, done.stdout + done.stderr
    return source / "dist"


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The programs of a fresh environment that holds the wheel, and sees the other packages of this one."""
    environment = tmp_path_factory.mktemp("environment")
    done = run(sys.executable, "-m", "venv", "--without-pip", environment, folder=environment)
    assert done.returncode == 0, done.stderr
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = built.glob("*.whl")
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=environment
    )
    assert done.returncode == 0, done.stderr
    own = run(python, "-c", "import site; print(site.getsitepackages()[0])", folder=environment).stdout.strip()
    Path(own, "others.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return python.parent


@pytest.mark.slow
def test_wheel_and_source_hold_the_configs_the_model_and_the_examples(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        for config in (ROOT / "configs").glob("*.yaml"):
            assert wheel.read(f"captioner/configs/{config.name}") == config.read_bytes()
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        sources = {name.partition("/")[2] for name in source.getnames()}
    wanted = {f"captioner/pretrained/examples/{photo.name}" for photo in (ROOT / "examples").iterdir()}
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "captioner/pretrained/natural").iterdir()}
    for found in (names, sources):
        assert wanted | {"captioner/py.typed"} <= found
        assert not any(name.startswith("tests/") for name in found)


@pytest.mark.slow
def test_an_installed_package_captions_a_photo_and_finds_configs_outside_a_clone(installed, tmp_path):
    where = run(installed / "python", "-c", "import captioner; print(captioner.__file__)", folder=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent), where.stderr
    shutil.copy(ROOT / "examples" / "cat.jpg", tmp_path / "photo.jpg")
    done = run(installed / "captioner", "caption", "photo.jpg", "--sheet", "sheet.png", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "photo.jpg: " in done.stdout
    assert (tmp_path / "sheet.png").is_file()
    for name in ("own_photos", "configs/own_photos.yaml"):
        done = run(installed / "captioner", "train", name, folder=tmp_path)
        assert done.returncode == 2
        assert "set data.root to the folder of the data" in done.stderr  # the config was read; its photos are not there
    (tmp_path / "mine.yaml").write_text("base: base.yaml\ndata: {kind: drawn}\nencoder: {kind: small_cnn}\n", "utf-8")
    assert run(installed / "captioner", "describe", "mine.yaml", folder=tmp_path).returncode == 0
    done = run(installed / "captioner", "demo", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "examples" / "sheet.png").is_file()
    assert "pip install 'captioner[serve]'" in done.stdout
