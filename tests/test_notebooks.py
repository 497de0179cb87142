"""Every notebook runs from top to bottom, on a small run; formulas are rendered, and the three steps keep their outputs."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from captioner.commands.train import training_run as runs
from tests.helpers import DRAWN, tiny_settings

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


def cells_of(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


INSTALL = "".join(cells_of(NOTEBOOKS[0], "code")[0]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_formulas_have_single_backslashes(path):
    r"""A doubled one, as in $\\sqrt d$, starts a new line and prints the command's name."""
    texts = ["".join(cell["source"]) for cell in cells_of(path, "markdown")]
    assert texts
    formulas = [formula for text in texts for formula in re.findall(r"\$[^$\n]+\$", text)]
    assert [formula for formula in formulas if re.search(r"\\\\[A-Za-z]", formula)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_with_the_bundled_model_and_an_example_photo(path):
    first = cells_of(path, "code")[1]
    source = "".join(first["source"])
    assert "captioner.load()" in source
    assert "captioner.example_photos()" in source
    assert first["outputs"]
    assert not re.search(r"/(tmp|home|root|work|Users)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_with_the_cell_that_installs_captioner_and_needs_no_file_of_a_clone(path):
    cells = ["".join(cell["source"]) for cell in cells_of(path, "code")]
    assert cells[0] == INSTALL
    assert [
        line for cell in cells[1:] for line in cell.splitlines() if "../" in line and "../runs/demo" not in line
    ] == []


def install(monkeypatch, folder, **environment):
    """What the first cell gives to pip in a folder without captioner."""
    called = []
    monkeypatch.chdir(folder)
    for name in ("CAPTIONER_SOURCE", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: called.append(command[-1]))
    exec(INSTALL, {})
    return called


def test_the_first_cell_installs_a_wheel_beside_the_notebook_or_what_the_environment_names(monkeypatch, tmp_path):
    (tmp_path / "my wheels").mkdir()
    wheel = tmp_path / "my wheels" / "captioner-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert install(monkeypatch, tmp_path) == [f"captioner[notebook] @ {wheel.as_uri()}"]
    source = "git+https://example.org/captioner"
    assert install(monkeypatch, tmp_path, CAPTIONER_SOURCE=source) == [f"captioner[notebook] @ {source}"]
    for path in (str(wheel), "my wheels/captioner-0.1.0-py3-none-any.whl"):
        assert install(monkeypatch, tmp_path, CAPTIONER_SOURCE=path) == [f"captioner[notebook] @ {wheel.as_uri()}"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "choose the clone's .venv as kernel, or set CAPTIONER_SOURCE"),
        ({"COLAB_RELEASE_TAG": "release"}, "upload a wheel to Colab's files, or"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "add a wheel to the inputs, or"),
    ],
)
def test_without_anything_to_install_the_first_cell_says_what_to_do(monkeypatch, tmp_path, environment, said):
    with pytest.raises(RuntimeError, match=said):
        install(monkeypatch, tmp_path, **environment)


def test_the_three_steps_keep_their_outputs():
    path = NOTEBOOKS[0]
    assert path.stem == "attention_from_its_three_steps"
    cells = cells_of(path, "code")
    shows = [cell for cell in cells if re.search(r"print\(|subplots\(", "".join(cell["source"]))]
    assert len(shows) > 5
    assert [cell["source"][0] for cell in shows if not cell["outputs"]] == []
    text = path.read_text(encoding="utf-8")
    assert len(text) < 350_000
    assert not re.search(r"/(tmp|home|root|work|Users)/", text)  # nothing of the machine that ran it


@pytest.mark.parametrize("name", ["compare_attentions", "where_it_fails"])
def test_a_run_that_a_notebook_trained_serves_the_next_notebook(name, monkeypatch, tmp_path):
    [path] = [path for path in NOTEBOOKS if path.stem == name]
    [source] = [
        "".join(cell["source"]) for cell in cells_of(path, "code") if "CAPTIONER_RUN" in "".join(cell["source"])
    ]
    lines = re.search(r"^run = .*?captioner\.train\([^\n]*", source, re.DOTALL | re.MULTILINE)
    assert lines
    trained = []

    def train(config, overrides):
        trained.append(config)
        Path("runs/demo").mkdir(parents=True)
        Path("runs/demo/best.safetensors").touch()

    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("CAPTIONER_RUN", raising=False)
    names = {"os": os, "Path": Path, "captioner": SimpleNamespace(train=train)}
    for _ in range(2):
        exec(lines.group(), names)
    assert trained == [Path("drawn")]
    assert names["run"] == tmp_path / "notebooks/runs/demo"


@pytest.mark.notebook
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, pictures, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    runs.train(DRAWN, [*tiny_settings(pictures, tmp_path / "runs" / "demo"), "run.epochs=1"])
    monkeypatch.setenv("CAPTIONER_RUN", str(tmp_path / "runs" / "demo"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # small tensors: on a busy machine more threads only wait for each other
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": path.parent}}).execute()
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
