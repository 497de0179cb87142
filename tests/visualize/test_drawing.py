"""A drawing is the same as a PNG and as a PDF, which keeps texts; letters come from a font that has them, or a warning is given."""

from __future__ import annotations

import base64
import io
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image, ImageFont

from captioner.errors import UserError
from captioner.regions import Placement
from captioner.visualize import fonts
from captioner.visualize.drawing import DARK, FAINT, INK, LIGHT, Drawing, Patch, Text, wrap
from captioner.visualize.figures import figure_file
from captioner.visualize.fonts import font_for
from captioner.visualize.sheet import sheet, shortened
from captioner.visualize.strips import strip
from tests.visualize.test_maps import luminance
from tests.visualize.test_page import make_caption, photo


def test_marks_are_painted_where_they_lie():
    red = Image.new("RGB", (3, 2), (255, 0, 0))
    painted = Drawing(10, 8, [Patch(4, 5, red), Text(0, 4, "|", 8, INK)]).picture()
    assert [(x, y) for x in range(10) for y in range(8) if painted.getpixel((x, y)) == (255, 0, 0)] == [
        (x, y) for x in (4, 5, 6) for y in (5, 6)
    ]
    assert painted.getpixel((9, 0)) == (255, 255, 255)
    assert min(painted.convert("L").crop((0, 0, 4, 5)).tobytes()) < 200


def test_a_pdf_holds_its_maps_pixel_for_pixel_and_its_texts_as_texts(tmp_path):
    caption = make_caption("a dog barks", Placement.whole((64, 48)))
    drawing = sheet(photo(), caption)
    drawing.save(tmp_path / "sheet.pdf")
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"attended before reading the previous word" in pdf
    assert b"a dog barks" in pdf
    assert b"/FontFile2" in pdf
    assert len(re.findall(rb"/Width 224 /Height 168", pdf)) == 3, "the photo, and a map for each content word"


def test_a_picture_is_a_png_a_pdf_or_an_svg(tmp_path):
    with pytest.raises(UserError, match=r"got 'a\.jpg'; choose a name that ends in \.png, \.pdf or \.svg"):
        Drawing(10, 10).save(tmp_path / "a.jpg")
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
    for cached in (fonts._file_of, fonts._complete, fonts._warned):
        cached.cache_clear()
    monkeypatch.setattr(fonts, "_installed", list)
    yield
    for cached in (fonts._file_of, fonts._complete, fonts._warned):
        cached.cache_clear()


def test_missing_letters_are_named_once_and_drawn_as_boxes(nothing_installed):
    with pytest.warns(UserWarning, match="no font on this computer has the letters 一只狗; install one") as warned:
        font_for("一只狗", 20)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(font_for("一只狗和", 20), ImageFont.FreeTypeFont)


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_a_picture_of_letters_that_no_font_has_is_one_warning_of_ours(nothing_installed, tmp_path, ending):
    caption = make_caption("一只狗 สุนัข 🐕", Placement.whole((64, 48)))
    with pytest.warns(UserWarning, match="no font on this computer has the letters") as warned:
        strip(photo(), caption).save(tmp_path / f"strip{ending}")
    assert len(warned) == 1


def test_all_words_of_a_caption_are_drawn_in_one_font():
    plain, with_letters = font_for("dog", 20), font_for("σκύλος", 20)
    assert plain.path != with_letters.path
    with fonts.one_font("dog σκύλος"):
        assert font_for("dog", 20).path == font_for("photo", 20).path == with_letters.path
    assert font_for("dog", 20).path == plain.path


def test_a_text_has_its_own_font_if_no_font_has_its_letters_and_the_captions(nothing_installed):
    plain = font_for("dog", 20)
    with fonts.one_font("σκύλος 狗"):
        assert font_for("dog", 20).path == plain.path


@pytest.mark.parametrize("draw", [strip, sheet])
@pytest.mark.parametrize("words", ["con chó đen chạy qua cánh đồng", "a dog runs", "σκύλος a b"])
def test_the_photo_and_the_first_map_begin_at_one_height_in_every_script(draw, words):
    drawing = draw(photo(), make_caption(words, Placement.whole((64, 48))))
    first, second, *_ = [mark for mark in drawing.marks if isinstance(mark, Patch)]
    assert first.top == second.top


def test_a_name_on_a_figure_is_drawn_as_it_is(nothing_installed, tmp_path):
    with (
        pytest.warns(UserWarning, match="no font on this computer") as warned,
        figure_file(tmp_path / "a.png", 3, 2) as figure,
    ):
        figure.suptitle(r"runs/$\frac 狗$")
    assert len(warned) == 1


def test_a_font_can_be_named(monkeypatch, tmp_path, nothing_installed):
    import matplotlib

    named = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf")
    monkeypatch.setenv(fonts.SETTING, str(named))
    assert Path(font_for("ель", 20).path) == named
    fonts._file_of.cache_clear()
    fonts._complete.cache_clear()
    monkeypatch.setenv(fonts.SETTING, str(tmp_path / "no.ttf"))
    with pytest.raises(UserError, match=r"should name a font file, got .*no\.ttf"):
        font_for("ель", 20)


def test_an_svg_holds_its_maps_pixel_for_pixel_and_its_texts_as_texts(tmp_path):
    caption = make_caption("a dog <barks> & runs", Placement.whole((64, 48)))
    drawing = strip(photo(), caption)
    drawing.save(tmp_path / "strip.svg")
    root = ElementTree.parse(tmp_path / "strip.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [mark.text for mark in drawing.marks if isinstance(mark, Text)]
    assert texts[0] == "a dog <barks> & runs"
    images = [element.get("href").split(",")[1] for element in root.iter("{http://www.w3.org/2000/svg}image")]
    first = Image.open(io.BytesIO(base64.b64decode(images[1])))
    patches = [mark.picture for mark in drawing.marks if isinstance(mark, Patch)]
    assert first.tobytes() == patches[1].tobytes()
    assert root.get("width") == f"{drawing.width / 300:.4f}in"


def test_a_strip_is_a_figure_of_300_pixels_an_inch_and_7_inches_at_most(tmp_path):
    caption = make_caption(" ".join(f"w{number}" for number in range(9)), Placement.whole((64, 48)))
    strip(photo(), caption).save(tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as saved:
        assert saved.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert saved.width / 300 <= 7.1
    strip(photo(), caption).save(tmp_path / "strip.pdf")
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "strip.pdf").read_bytes())
    assert float(box[0]) == pytest.approx(72 * saved.width / 300, abs=1)


@pytest.mark.timeout(30)
def test_text_without_end_is_cut():
    marks = "a" + "\u0301\u0323" * 300_000
    assert len("".join(wrap(marks, 200, 12))) < 2100
    assert len(shortened(marks, 200, 12)[0]) <= 201


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("ink", [INK, FAINT])
def test_text_has_the_contrast_that_wcag_asks_for(theme, ink):
    paper, text = (luminance(torch.tensor(theme[name])) for name in ("paper", ink))
    light, dark = max(paper, text), min(paper, text)
    assert float((light + 0.05) / (dark + 0.05)) >= 4.5
