"""A drawing is the same as a PNG and as a PDF, which keeps texts; letters come from a font that has them, or a warning is given."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from captioner.errors import UserError
from captioner.regions import Placement
from captioner.visualize import fonts
from captioner.visualize.drawing import Drawing, Patch, Text
from captioner.visualize.fonts import font_for
from captioner.visualize.sheet import sheet
from tests.visualize.test_page import make_caption, photo


def test_marks_are_painted_where_they_lie():
    red = Image.new("RGB", (3, 2), (255, 0, 0))
    painted = Drawing(10, 8, [Patch(4, 5, red), Text(0, 4, "|", 8, (0, 0, 0))]).picture()
    assert [(x, y) for x in range(10) for y in range(8) if painted.getpixel((x, y)) == (255, 0, 0)] == [
        (x, y) for x in (4, 5, 6) for y in (5, 6)
    ]
    assert painted.getpixel((9, 0)) == (255, 255, 255)
    assert min(painted.convert("L").crop((0, 0, 4, 5)).tobytes()) < 200


def test_a_pdf_holds_its_maps_pixel_for_pixel_and_its_texts_as_texts(tmp_path):
    caption = make_caption("a dog", Placement.whole((64, 48)))
    drawing = sheet(photo(), caption)
    drawing.save(tmp_path / "sheet.pdf")
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"attended before reading the previous word" in pdf
    assert b"a dog" in pdf
    assert b"/FontFile2" in pdf
    assert len(re.findall(rb"/Width 224 /Height 168", pdf)) == 3, "the photo, and a map for each word"


def test_a_picture_is_a_png_or_a_pdf(tmp_path):
    with pytest.raises(UserError, match=r"got 'a\.svg'; choose a name that ends in \.png or \.pdf"):
        Drawing(10, 10).save(tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


def test_jupyter_shows_a_drawing():
    assert Drawing(10, 10)._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["dog", "süß, très, ñandú", "собака", "σκύλος"])
def test_letters_come_from_a_font_that_has_them(text):
    font = font_for(text, 20)
    nothing = font.getmask("\U000f0000").getbbox(), bytes(font.getmask("\U000f0000"))
    for letter in set(text) - {" "}:
        assert (font.getmask(letter).getbbox(), bytes(font.getmask(letter))) != nothing, letter


@pytest.fixture
def nothing_installed(monkeypatch):
    for cached in (fonts._file_for, fonts._warned):
        cached.cache_clear()
    monkeypatch.setattr(fonts, "_installed", list)
    yield
    for cached in (fonts._file_for, fonts._warned):
        cached.cache_clear()


def test_missing_letters_are_named_once_and_drawn_as_boxes(nothing_installed):
    with pytest.warns(UserWarning, match="no font on this computer has the letters 一只狗; install one") as warned:
        font_for("一只狗", 20)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(font_for("一只狗和", 20), ImageFont.FreeTypeFont)


def test_a_font_can_be_named(monkeypatch, tmp_path, nothing_installed):
    import matplotlib

    named = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf")
    monkeypatch.setenv(fonts.SETTING, str(named))
    assert Path(font_for("ель", 20).path) == named
    fonts._file_for.cache_clear()
    monkeypatch.setenv(fonts.SETTING, str(tmp_path / "no.ttf"))
    with pytest.raises(UserError, match=r"should name a font file, got .*no\.ttf"):
        font_for("ель", 20)
