"""The table of a run folder's files: complete, without files that nothing writes, and the same in docs/architecture.md."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from captioner.builder.run_files import FILES
from captioner.cli import app
from captioner.data.drawn import instances_path
from tests.helpers import DRAWN, tiny_settings
from tests.pages import DOCS, section

NOT_WRITTEN_HERE = {
    "wandb/",
    "wandb_id.txt",
    "tensorboard/",
    "sheet.png",
    "demo.json",
    "SPLIT/unfinished.txt",
    "export/",
    "README.md",
    "word_evidence.safetensors",
}
"""Files that the tests of logging, of the demo, of killed evaluations, of sharing, and of word evidence see."""


def documented(file: str) -> str | None:
    """The name in the table that a file of a run goes by."""
    for name in FILES:
        pattern = re.escape(name).replace("SPLIT", "(train|val|test|unseen)")
        pattern = re.sub("[A-Z]{3,}", "[^/]+", pattern)
        if re.fullmatch(pattern + (".*" if name.endswith("/") else ""), file):
            return name
    return None


def test_a_file_goes_by_the_name_in_the_table():
    assert documented("val/scores.json") == "SPLIT/scores.json"
    assert documented("unreadable_val.txt") == "unreadable_SPLIT.txt"
    assert documented("val-with-other/report.html") == "SPLIT-with-RUN/"
    assert documented("inspect-drawn-instances_val/inspect.json") == "inspect-FOLDER-FILE/inspect.json"
    assert documented("scores.json") is None
    assert documented("val/other.json") is None


def test_the_page_has_the_table():
    rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", section(DOCS / "architecture.md", "## The run folder"), re.MULTILINE)
    assert rows
    assert dict(rows) == FILES


@pytest.fixture(scope="module")
def runs(pictures, tmp_path_factory) -> list[Path]:
    """Two runs that every command has written into, on pictures of which three cannot be read."""
    root = tmp_path_factory.mktemp("files")
    data = root / "drawn"
    shutil.copytree(pictures, data)
    for split in ("train", "val"):
        next(iter(sorted((data / "images").glob(f"{split}_*.png")))).write_bytes(b"no picture")
    first, second, compared = root / "first", root / "second", root / "compared"
    sizes = [setting for setting in tiny_settings(data, first) if not setting.startswith(("encoder.", "run.folder"))]
    frozen = ["encoder.kind=squeezenet1_1", "encoder.weights=none", "encoder.input_size=64", "run.epochs=1"]
    critical = ["objective.kind=self_critical", "objective.samples=2", f"run.from_run={first}"]
    instances = str(instances_path(data, "val"))
    invoke("train", DRAWN, *sizes, *frozen, f"run.folder={first}")
    invoke("train", DRAWN, *sizes, *frozen, *critical, f"run.folder={second}")
    invoke("evaluate", second)
    invoke("evaluate", second, "--with", first)
    invoke("evaluate", second, "data.kind=folder", f"data.root={data / 'images'}", "--split", "test")
    invoke("inspect", second, "--instances", instances)
    invoke(
        "compare",
        DRAWN,
        *sizes,
        *frozen,
        "--attention",
        "soft:additive",
        "--seeds",
        "1",
        "--folder",
        compared,
        "refiner.project=true",
        "refiner.size=16",
    )
    return [first, second, compared / "soft-additive" / "seed-0"]


def invoke(*words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def test_every_file_of_a_run_is_in_the_table_and_the_table_has_no_other(runs):
    files = [file.relative_to(run).as_posix() for run in runs for file in run.rglob("*") if file.is_file()]
    assert len(files) > 15
    assert [file for file in files if documented(file) is None] == []
    assert set(FILES) - {documented(file) for file in files} == NOT_WRITTEN_HERE
