"""The demo from end to end, on a few pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

from captioner.commands.demo import demonstration as demo
from captioner.errors import UserError
from captioner.explain.pairs import PairAgreement
from captioner.progress import Report, TerminalReport
from tests.helpers import tiny_settings


def test_a_dash_in_the_table_is_explained():
    unmeasured = PairAgreement(4, 0.0, None, 0.0, 0, None, None, None, {})
    measured = replace(unmeasured, num_words=3, lift=9.5, uniform_lift=1.0, pointing=0.9)
    ours, other = (demo.Figure("after", "val", {"CIDEr-D": 0.1}, one) for one in (unmeasured, measured))
    assert demo.legend([other, ours]).splitlines()[-1].startswith("-: no map to measure")
    assert "-: " not in demo.legend([other])


class NoTraining(Report):
    def training_started(self, folder, num_photos, num_words, device):
        pytest.fail("trained again")


def test_the_demo_trains_measures_and_shows(pictures, tmp_path, capsys):
    options = [setting for setting in tiny_settings(pictures, tmp_path) if not setting.startswith("run.folder")]
    with TerminalReport() as report:
        demo.run(tmp_path, options, report)
    figures = json.loads((tmp_path / "demo" / "demo.json").read_text(encoding="utf-8"))
    assert [(figure["attend"], figure["split"]) for figure in figures] == [
        ("after", "val"), ("after", "unseen"), ("before", "val"), ("before", "unseen"),
    ]  # fmt: skip
    for figure in figures:
        assert figure["agreement"]["num_captions"] == {"val": 12, "unseen": 4}[figure["split"]]
        assert figure["agreement"]["uniform_lift"] in (None, pytest.approx(1.0))
    with Image.open(tmp_path / "demo" / "sheet.png") as sheet:
        assert min(sheet.size) > 400
    assert "lift: weight of the map" in capsys.readouterr().out
    demo.run(tmp_path, options, NoTraining())
    with pytest.raises(UserError, match=r"demo was started with run\.epochs=3, now it is 2"):
        demo.run(tmp_path, [*options, "run.epochs=2"], report)
