"""Figures: nothing is cut off, and the user's own figures are not affected."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from captioner.commands.compare.comparison_figure import comparison_figure
from captioner.commands.inspect.compared_maps import CENTRE
from captioner.commands.inspect.inspection_figure import SIZE, card_figure, draw_card
from captioner.explain.grounding import Gain
from captioner.metrics.bootstrap import Estimate

ESTIMATE = Estimate(4.0, 3.0, 5.0, 40)
TITLE = (
    "a run with a long name on 5,000 photos of instances_val2017.json. Does attention matter? Too few photos to tell"
)


FOUND, NOTHING = SimpleNamespace(lift=ESTIMATE, gap=ESTIMATE, log_prob=ESTIMATE), SimpleNamespace(lift=None)
GAINED, NEITHER = Gain(ESTIMATE, ESTIMATE), Gain(None, None)
CARD = SimpleNamespace(
    agreement={
        "references": {"attention": FOUND, "centre of the photo": FOUND},
        "captions": {"attention": FOUND, "integrated gradients": FOUND, "Grad-CAM": NOTHING},
    },
    gains={
        "references": {"attention": {CENTRE: GAINED}},
        "captions": {
            "attention": {CENTRE: GAINED},
            "integrated gradients": {CENTRE: GAINED},
            "Grad-CAM": {CENTRE: NEITHER},
        },
    },
    lag={"references": dict.fromkeys(range(-2, 3), FOUND), "captions": {0: FOUND, 1: NOTHING}},
    reasons={"attention": FOUND, "random order": FOUND},
    replaced={"uniform": FOUND, "another word's": FOUND},
)
BARE = SimpleNamespace(agreement={}, gains={}, lag={}, reasons={}, replaced={"uniform": FOUND})
LINES = {
    "soft:additive": SimpleNamespace(scores=[1.0, 1.1], entropy=0.7),
    "most frequent": SimpleNamespace(scores=[0.5], entropy=None),
}
WRITERS = {
    "card": lambda path: card_figure(path, CARD, TITLE),
    "card without words": lambda path: card_figure(path, BARE, TITLE),
    "comparison": lambda path: comparison_figure(path, LINES),
}


@pytest.mark.parametrize("name", WRITERS)
def test_pyplot_has_no_part_in_a_figure_and_settings_stay(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    monkeypatch.setattr(matplotlib, "use", None)
    with matplotlib.rc_context():  # without one, asking for the backend would import pyplot
        matplotlib.rcParams["backend"] = "svg"
        before = dict(matplotlib.rcParams)
        WRITERS[name](tmp_path / "figure.png")
        assert dict(matplotlib.rcParams) == before
    with Image.open(tmp_path / "figure.png") as picture:
        assert min(picture.size) > 200


@pytest.mark.parametrize("name", WRITERS)
def test_figures_are_also_files_for_papers_and_say_what_is_drawn(name, tmp_path):
    WRITERS[name](tmp_path / "figure.png")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    for text in (
        ("mean of the seeds", "a seed") if name == "comparison" else ("95 % interval", "no effect", "maps replaced")
    ):
        assert f">{text}" in drawn


def test_a_comparison_of_one_seed_names_no_mean(tmp_path):
    comparison_figure(tmp_path / "figure.png", {"soft:additive": LINES["most frequent"]})
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert ">a seed" in drawn
    assert "mean of the seeds" not in drawn


def test_no_text_of_a_card_is_cut_off():
    figure = Figure(figsize=SIZE, layout="constrained")
    draw_card(figure, CARD, TITLE)
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


def test_equal_curves_of_references_and_captions_are_both_seen():
    figure = Figure()
    draw_card(
        figure,
        SimpleNamespace(**{**vars(CARD), "lag": {name: {0: FOUND} for name in ("references", "captions")}}),
        TITLE,
    )
    positions = [line.get_xdata()[0] for line in figure.axes[3].lines if line.get_marker() == "o"]
    assert len(set(positions)) == 2
    assert max(positions) - min(positions) < 0.2
