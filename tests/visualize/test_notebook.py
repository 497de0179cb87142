"""`captioner.show` gives a widget or a page in Jupyter, and the sheet elsewhere."""

from __future__ import annotations

import re
import sys
from collections import UserList
from html import unescape

import numpy
import pytest
from PIL import Image

import captioner
from captioner.regions import Placement
from captioner.visualize import notebook
from captioner.visualize.drawing import Drawing, Text
from tests.visualize.test_page import make_caption, photo

SIZE = (64, 48)
CAPTION = make_caption("a small dog", Placement.whole(SIZE))


@pytest.fixture
def jupyter(monkeypatch):
    monkeypatch.setattr(notebook, "in_jupyter", lambda: True)


def test_outside_jupyter_it_is_the_sheet(tmp_path):
    shown = captioner.show(CAPTION, photo=photo())
    assert isinstance(shown, Drawing)
    shown.save(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as saved:
        assert saved.size == shown.picture().size


def test_the_style_of_the_sheet_can_be_chosen():
    from captioner.visualize.overlay import Style

    assert [
        mark.text for mark in captioner.show(CAPTION, photo=photo()).marks if getattr(mark, "text", "") == "a"
    ] == []
    shown = captioner.show(CAPTION, photo=photo(), style=Style(words="all", dark=True), smooth=True)
    assert [mark.text for mark in shown.marks if getattr(mark, "text", "") == "a"] == ["a"]
    assert shown.dark
    assert shown.metadata["drawn"] == "smooth"


def test_captions_of_several_models_stand_side_by_side(jupyter, monkeypatch):
    monkeypatch.setitem(sys.modules, "captioner.visualize.widget", None)
    other = make_caption("one dog", Placement.whole(SIZE))
    shown = captioner.show({"soft": CAPTION, "multi-head": other}, photo=photo())
    assert shown.page.count('class="model"') == 2
    assert shown.sheet.metadata["models"] == "soft, multi-head"
    with pytest.raises(ValueError, match="one photo and no accounts"):
        captioner.show({"soft": CAPTION}, photo=[photo(), photo()])


def test_several_captions_are_one_sheet_with_the_photos_names(tmp_path):
    for name in ("one.png", "two.png"):
        photo().save(tmp_path / name)
    shown = captioner.show([CAPTION, CAPTION], photo=[tmp_path / "one.png", str(tmp_path / "two.png")])
    assert [mark.text for mark in shown.marks if getattr(mark, "text", "").endswith(".png")] == ["one.png", "two.png"]


def test_without_anywidget_a_page_stands_in_a_frame_with_a_hint(jupyter, monkeypatch):
    monkeypatch.setitem(sys.modules, "captioner.visualize.widget", None)
    bundle = captioner.show(CAPTION, photo=photo())._repr_mimebundle_()
    page = unescape(re.search('srcdoc="(.*?)"', bundle["text/html"], re.DOTALL)[1])
    assert page.startswith("<!doctype html>")
    assert "a small dog" in page
    assert "captioner[notebook]" in bundle["text/html"]
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_with_anywidget_python_learns_which_word_is_pointed_at(jupyter):
    pytest.importorskip("anywidget")
    widget = captioner.show(CAPTION, photo=photo(), smooth=True)
    heard = []
    widget.observe(lambda change: heard.append(CAPTION.words[change.new]), "word")
    widget.set_state({"word": 2})
    assert heard == ["dog"]
    assert '"smooth":true' in widget.page
    assert 'class="inside"' in widget.page
    data, _ = widget._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")


def test_a_photo_is_turned_upright_before_maps_are_drawn():
    turned = photo((48, 64))
    turned.getexif()[274] = 6
    assert isinstance(captioner.show(CAPTION, photo=turned), Drawing)


def test_pictures_are_drawn_of_files_too(tmp_path):
    picture = photo()
    picture.save(tmp_path / "photo.png")
    for draw in (captioner.sheet, captioner.strip, lambda *drawn: captioner.side_by_side(drawn[0], {"a": drawn[1]})):
        drawn = [
            draw(one, CAPTION).picture().tobytes()
            for one in (picture, tmp_path / "photo.png", str(tmp_path / "photo.png"))
        ]
        assert len(set(drawn)) == 1


@pytest.mark.parametrize("captions", ["a dog", ["a dog"], {"soft": "a dog"}, None])
def test_what_is_no_caption_is_named(captions):
    with pytest.raises(
        TypeError,
        match=r"show\(\) needs captions as model.caption\(\) returns them, or .*, got ('a dog'|None); caption",
    ):
        captioner.show(captions, photo=photo())


@pytest.mark.parametrize("wrong", [None, 3, numpy.zeros((4, 4, 3))])
def test_what_is_no_photo_is_named(wrong):
    with pytest.raises(TypeError, match=r"a photo is a path or a picture of Pillow, got (NoneType|int|ndarray)"):
        captioner.show(CAPTION, photo=wrong)


def test_captions_and_photos_come_in_any_order_of_things(tmp_path):
    picture = photo()
    for several in (iter, tuple, UserList, lambda things: dict(enumerate(things)).values()):
        assert isinstance(captioner.show(several([CAPTION, CAPTION]), photo=several([picture, picture])), Drawing)


def test_side_by_side_takes_named_captions():
    with pytest.raises(ValueError, match=r"needs \{name: caption\}, got "):
        captioner.side_by_side(photo(), [CAPTION])
    with pytest.raises(ValueError, match=r"needs \{name: caption\}, got "):
        captioner.side_by_side(photo(), {1: CAPTION})


@pytest.mark.parametrize("panel", [63, 200.5, 10**6])
def test_a_panel_has_a_size_that_can_be_drawn(panel):
    with pytest.raises(ValueError, match="64 to 4,096 whole pixels, got"):
        captioner.Style(panel=panel)


def test_accounts_stand_side_by_side_on_the_page_of_one_caption(jupyter, monkeypatch):
    monkeypatch.setitem(sys.modules, "captioner.visualize.widget", None)
    accounts = {"attention": (CAPTION, "where it attended"), "gradients": (CAPTION, "what made it likely")}
    shown = captioner.show(CAPTION, photo=photo(), accounts=accounts)
    assert "what made it likely" in shown.page
    monkeypatch.setattr(notebook, "in_jupyter", lambda: False)
    assert "what made it likely" in "".join(
        mark.text for mark in captioner.show(CAPTION, photo=photo(), accounts=accounts).marks if isinstance(mark, Text)
    )
    with pytest.raises(TypeError, match=r"accounts as captioner\.explained\(\) returns them"):
        captioner.show(CAPTION, photo=photo(), accounts={"attention": 1})
    with pytest.raises(ValueError, match="accounts of one caption, got 2"):
        captioner.show([CAPTION, CAPTION], photo=[photo(), photo()], accounts=accounts)


def test_photos_and_captions_of_different_numbers_are_an_error():
    with pytest.raises(ValueError, match="got 2 captions and 1 photos"):
        captioner.show([CAPTION, CAPTION], photo=photo())
    with pytest.raises(ValueError, match="got 0 captions"):
        captioner.show([], photo=[])


def test_this_is_no_notebook():
    assert not notebook.in_jupyter()
