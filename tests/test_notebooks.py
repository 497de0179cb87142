"""Every notebook runs from top to bottom, on a small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.commands.train import training_run as runs
from tests.helpers import DRAWN, tiny_settings

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.notebook
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, pictures, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    runs.train(DRAWN, [*tiny_settings(pictures, tmp_path / "runs" / "demo"), "run.epochs=1"])
    monkeypatch.setenv("CAPTIONER_RUN", str(tmp_path / "runs" / "demo"))
    monkeypatch.setenv(
        "OMP_NUM_THREADS", "1"
    )  # small tensors: on a busy machine threads wait for each other ten times as long
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}}).execute()
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
