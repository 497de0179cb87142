"""The table and the plot of lift against the receptive field."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from benchmarks import lift_by_field
from captioner.commands.train import training_run as runs
from tests.helpers import DRAWN, tiny_settings


@pytest.fixture
def inspection(pictures, tmp_path):
    folder = tmp_path / "run"
    runs.train(DRAWN, tiny_settings(pictures, folder))
    gain = {"lift": {"value": 0.5, "low": 0.25, "high": 0.75, "photos": 30}, "pointing": None}
    maps = {name: {"centre of the photo": gain} for name in ("attention", "posterior")}
    path = tmp_path / "inspect.json"
    path.write_text(json.dumps({"about": {"run": str(folder), "regions": 100}, "gains": {"references": maps}}))
    return path


def test_each_run_is_a_row_and_a_point(inspection, tmp_path, capsys, monkeypatch):
    picture = tmp_path / "field.png"
    monkeypatch.setattr("sys.argv", ["lift_by_field.py", str(inspection), str(inspection), "--out", str(picture)])
    lift_by_field.main()
    _, first, second, _ = capsys.readouterr().out.splitlines()
    name, regions, field, *gains = first.split(maxsplit=3)
    assert (name, regions) == ("run", "100")
    assert 0 < int(field.rstrip("%")) <= 100
    assert gains == ["0.50 [0.25, 0.75]   0.50 [0.25, 0.75]"]
    assert second == first
    with Image.open(picture) as drawn:
        assert drawn.width > 500


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('{"gains": {}}', "as this program writes it"),
        ('{"about": {"run": "x", "regions": 4}, "gains": {}}', "captions"),
    ],
)
def test_a_file_without_the_numbers_is_an_error(tmp_path, monkeypatch, content, wanted):
    path = tmp_path / "inspect.json"
    path.write_text(content)
    monkeypatch.setattr("sys.argv", ["lift_by_field.py", str(path)])
    with pytest.raises(SystemExit, match=wanted):
        lift_by_field.main()
