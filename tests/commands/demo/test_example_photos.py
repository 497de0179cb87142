"""The demo captions the example photos with the bundled model, in a clone and in an installed package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from captioner import cli
from captioner.commands.demo import example_photos
from captioner.data.folder import photos_in
from tests.cli.test_cli import run
from tests.commands.pack.test_packing import box, packed, trained  # noqa: F401 (fixtures)

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def test_the_demo_writes_a_sheet_and_a_page_and_says_what_comes_next(capsys, box, tmp_path):  # noqa: F811
    status, out, err = run(capsys, cli.demo, "--folder", tmp_path / "out", "search.max_length=4")
    assert status == 0, err
    assert "natural (bundled)" in err
    photos, _ = photos_in(EXAMPLES)
    assert all(f"{photo.name}: " in out for photo in photos)
    assert f"written: {tmp_path / 'out' / 'examples' / 'sheet.png'}" in out
    assert f"written: {tmp_path / 'out' / 'examples' / 'page.html'}" in out
    assert "next:\n  captioner caption photo.jpg" in out


def test_without_example_photos_one_line_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(example_photos, "PLACES", [tmp_path / "nothing"])
    status, out, err = run(capsys, cli.demo)
    assert (status, out) == (2, "")
    assert err == "error: this installation has no example photos; give a photo of yours: captioner caption photo.jpg\n"


def test_example_photos_are_few_small_and_credited():
    photos, others = photos_in(EXAMPLES)
    assert 4 <= len(photos) <= 8
    kept = [path.name for path in others if path.suffix != ".pyc"]  # left by a test that imports the example
    assert sorted(kept) == ["README.md", "caption_with_onnx.py"]
    credits = re.findall(
        r"^\| `([^`]+)` \|.*\| (?:CC0|public domain) \|", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(credits) == [photo.name for photo in photos]
    for photo in photos:
        assert photo.stat().st_size <= 100_000
        with Image.open(photo) as opened:
            assert max(opened.size) <= 640


def test_an_installed_package_has_the_example_photos_and_the_model():
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "pretrained/*/*" in settings["package-data"]["captioner"]
    shipped = ROOT / "captioner" / "pretrained" / "examples"
    assert {path.name for path in shipped.iterdir()} == {path.name for path in EXAMPLES.iterdir()}
