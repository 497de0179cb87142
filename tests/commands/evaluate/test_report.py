"""A report shows the table, then photos worst first, and stays small."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

from captioner.commands.evaluate.report import Entry, report_page
from captioner.errors import UserError
from captioner.regions import Grid, Placement
from captioner.search.result import Caption

HOSTILE = "</script><img src=x onerror=alert(1)>"
ROWS = {"this model": {"CIDEr-D": 1.234, "novel": 0.2}, "most frequent": {"CIDEr-D": 0.5}}


def make_entry(name, score=1.0, size=(64, 48), photo=True, text="a dog", **changes):
    words = text.split()
    caption = Caption(
        text=text, words=words, word_log_probs=torch.full((len(words),), -0.5), end_log_prob=-0.1, ended=True,
        weights=torch.rand(len(words), 49).softmax(-1), head_weights=None, sentinel=None, gate=None, attend="after",
        layout=Grid(7, 7), placement=Placement.whole(size),
    )  # fmt: skip
    picture = Image.effect_noise(size, 60).convert("RGB") if photo else None
    return Entry(picture, name, replace(caption, **changes), ["one reference", "another"], {"CIDEr-D": score})


def names_of(page):
    return re.findall(r'<h2 id="entry-\d+" dir="auto">(.*?)</h2>', page)


def data_of(page):
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]


def test_the_worst_stands_first_and_what_was_not_scored_last():
    entries = [
        make_entry("good", 2.0),
        replace(make_entry("none"), scores={}),
        make_entry("nan", math.nan),
        make_entry("bad", 0.1),
    ]
    assert names_of(report_page(entries, [ROWS], "split: val")) == ["bad", "good", "none", "nan"]


def test_the_table_says_values_intervals_and_protocol():
    page = report_page(
        [],
        [ROWS, {"this model": {"mean length": 7.25}}],
        "split: val | tokens: simple",
        intervals={"this model": {"CIDEr-D": (1.1, 1.3)}},
        notes=["-: <novel>"],
    )
    assert "<td>123.4<small>110.0 to 130.0</small></td><td>20.0</td>" in page
    assert "<td>50.0</td><td>-</td>" in page
    assert '<th scope="col">x100, with 95 % intervals</th><th scope="col">CIDEr-D</th>' in page
    assert '<th scope="col">words, with 95 % intervals</th><th scope="col">mean length</th>' in page
    assert "<td>7.2</td>" in page
    assert '<p class="faint">-: &lt;novel&gt;</p>' in page
    assert "split: val | tokens: simple" in page


def test_a_table_of_two_units_is_refused():
    with pytest.raises(ValueError, match="needs metrics of one unit"):
        report_page([], [{"this model": {"CIDEr-D": 1.2, "mean length": 7.25}}], "split: val")


def test_a_split_without_references_is_reported_as_such():
    assert "this split has no references" in report_page(
        [replace(make_entry("a"), scores={}, references=[])], [], "split: val"
    )


def test_every_photo_shows_its_references_and_scores():
    page = report_page([make_entry("a", 0.456)], [ROWS], "")
    assert "<li>CIDEr-D <b>45.6</b></li>" in page
    assert '<li lang="" dir="auto">one reference</li>' in page
    assert "The decoder attended after reading the previous word." in page


def test_texts_stand_in_the_report_as_texts():
    entry = replace(make_entry(HOSTILE, text=HOSTILE), references=[HOSTILE], scores={HOSTILE: 1.0})
    page = report_page(
        [entry], [{HOSTILE: {HOSTILE: 1.0}}], HOSTILE, title=HOSTILE, intervals={HOSTILE: {HOSTILE: (1, 1)}}
    )
    assert HOSTILE not in page
    assert "<img" not in page.replace("&lt;img", "").replace(r"\u003cimg", "")


def test_only_so_many_are_shown_and_the_page_says_of_how_many():
    page = report_page([make_entry(str(score), score) for score in range(5)], [ROWS], "", most=2)
    assert names_of(page) == ["0", "1"]
    assert "the worst 2 of 5 photos" in page
    with pytest.raises(ValueError, match="at least 1"):
        report_page([], [ROWS], "", most=0)


@pytest.mark.parametrize("changes", [{"photo": False}, {"placement": None}, {"weights": None}])
def test_what_cannot_be_drawn_is_left_out(changes):
    data = data_of(report_page([make_entry("a", **changes)], [ROWS], ""))[0]
    assert data["captions"][0]["maps"] is False
    assert data["captions"][0]["words"] == ["a", "dog"]
    assert ("photo" in data) == changes.get("photo", True)


def test_scores_to_sort_by_are_those_of_the_list_and_the_mean_probability():
    told = data_of(report_page([make_entry("a", 0.5), make_entry("b", math.nan)], [ROWS], ""))
    assert [entry["sort"] for entry in told[:2]] == [
        [0.5, pytest.approx(math.exp(-0.5))],
        [None, pytest.approx(math.exp(-0.5))],
    ]


def test_a_photo_costs_no_more_than_stated():
    """Noise, which JPEG stores worst, and a caption of 20 words."""
    entries = [make_entry(str(score), score, (320, 240), text="word " * 20) for score in range(20)]
    lengths = [len(report_page(entries[:count], [ROWS], "")) for count in (10, 20)]
    assert lengths[1] - lengths[0] < 10 * 30_000


def test_photos_come_from_files_too(tmp_path):
    path = tmp_path / "one.png"
    Image.new("RGB", (64, 48)).save(path)
    assert "data:image/png;base64" in report_page([replace(make_entry("a"), photo=path)], [ROWS], "")
    with pytest.raises(UserError, match=r"missing\.png"):
        report_page([replace(make_entry("a"), photo=tmp_path / "missing.png")], [ROWS], "")


def test_a_caption_given_as_text_has_no_maps_and_no_confidence():
    page = report_page([replace(make_entry("a"), caption="a <b> dog")], [ROWS], "")
    assert '<p class="sentence" lang="" dir="auto">a &lt;b&gt; dog</p>' in page
    assert data_of(page)[0]["captions"] == []
    assert data_of(page)[0]["sort"] == [1.0]
    assert "<option>confidence</option>" not in page
    assert '<p class="faint">Point at a word' not in page


def test_each_table_has_its_own_columns():
    page = report_page([], [{"m": {"CIDEr-D": 1.0}}, {"m": {"novel": 0.5}}], "")
    assert page.count("<table ") == 2
    assert page.index("CIDEr-D</th>") < page.index("novel</th>")
