"""Execute notebooks in place and keep their outputs.

    python notebooks/execute.py notebooks/attention_from_its_three_steps.ipynb

Only outputs are stored, without execution times or the kernel's version, so that a second run changes nothing but what it computes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def execute(path: Path) -> None:
    """Run every cell of a notebook in its own folder, and write the notebook with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    language = dict(notebook.metadata.language_info)
    NotebookClient(notebook, timeout=1800, record_timing=False, resources={"metadata": {"path": path.parent}}).execute()
    notebook.metadata.language_info = language
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: more threads only wait for each other
    for name in sys.argv[1:]:
        execute(Path(name))
