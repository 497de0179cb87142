"""A sheet shows every word in the photo's proportions, has a legend, and is saved completely or not at all."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import numpy
import pytest
import torch
from PIL import ExifTags, Image

from captioner.encoders.preprocess import Preprocess
from captioner.regions import Boxes, Grid, Placement
from captioner.search.result import Caption, in_digits
from captioner.visualize.drawing import Patch, Text, length, patch, wrap
from captioner.visualize.legend import beside_photo
from captioner.visualize.overlay import Style, fit, maps_over
from captioner.visualize.painters import PAINTERS, Scale
from captioner.visualize.sheet import contact, save_sheet, sheet, shortened
from captioner.visualize.strips import strip


def make_caption(words, placement, layout=None, **changes):
    layout = layout or Grid(4, 4)
    words = words.split()
    weights = torch.rand(len(words), layout.num_regions, generator=torch.Generator().manual_seed(0))
    made = Caption(
        text=" ".join(words), words=words, word_log_probs=torch.full((len(words),), -0.0726), end_log_prob=0.0,
        ended=True, weights=weights / weights.sum(1, keepdim=True), head_weights=None, sentinel=None, gate=None,
        attend="before", layout=layout, placement=placement,
    )  # fmt: skip
    return replace(made, **changes)


def photo(size, colour=(200, 60, 40)):
    return Image.new("RGB", size, colour)


def said(drawing):
    """Every piece of text of a drawing."""
    return [mark.text for mark in drawing.marks if isinstance(mark, Text)]


@pytest.mark.parametrize("size", [(1, 1), (80, 80), (300, 900), (900, 300), (2000, 3)])
@pytest.mark.parametrize("num_words", [1, 7, 20])
def test_every_word_gets_a_panel(size, num_words):
    words = [f"w{index}" for index in range(num_words)]
    made = sheet(photo(size), make_caption(" ".join(words), Placement.whole(size).resized((32, 32))))
    assert made.picture().mode == "RGB"
    assert made.picture().getpixel((0, 0)) == (255, 255, 255)
    assert [text for text in said(made) if text in words][
        -num_words:
    ] == words  # a title of one word stands before them
    assert said(made).count("0.93") == num_words


@pytest.mark.parametrize("size", [(300, 900), (900, 300), (80, 80), (7, 5)])
def test_the_photo_is_never_squashed(size):
    fitted = fit(photo(size), 224)
    assert max(fitted.size) == 224
    assert fitted.width / fitted.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_tiny_photo_keeps_its_crisp_pixels():
    tiny = photo((2, 2), (0, 0, 0))
    tiny.putpixel((1, 1), (250, 250, 250))
    assert {rgb for _, rgb in fit(tiny, 100).getcolors()} == {(0, 0, 0), (250, 250, 250)}


def test_the_first_panel_is_the_photo_untouched():
    made = sheet(photo((80, 80)), make_caption("a", Placement.whole((80, 80))), Style(panel=100))
    counts = {rgb: count for count, rgb in made.picture().getcolors(1 << 20)}
    assert counts[(200, 60, 40)] == 100 * 100


def test_one_cell_is_drawn_as_one_cell():
    weights = torch.zeros(1, 16)
    weights[0, 6] = 1  # second row, third column
    white = photo((80, 40), (255, 255, 255))
    caption = make_caption("a", Placement.whole((80, 40)), weights=weights)
    panel = _maps(caption, (80, 40), kind="cells").on(white)(0)
    dark = [(x, y) for x in range(80) for y in range(40) if panel.getpixel((x, y))[0] < 120]
    assert dark == [(x, y) for x in range(40, 60) for y in range(10, 20)]


def _maps(caption, size, **style):
    return maps_over(photo(caption.placement.photo_size), [caption], size, Style(**style))[0]


def test_all_words_share_one_scale_up_to_the_largest_weight():
    weights = torch.full((2, 16), 0.01)
    weights[1, 3] = 0.64
    caption = make_caption("one two", Placement.whole((80, 80)), weights=weights)
    assert _maps(caption, (40, 40)).tops.tolist() == pytest.approx([0.64, 0.64])
    made = sheet(photo((80, 80)), caption, Style(kind="cells"))
    assert {"0", "0.64", "line: a uniform map, 0.062"} <= set(said(made))


@pytest.mark.parametrize("largest", [0.02, 0.8])
def test_the_scale_of_cells_has_a_line_at_a_uniform_map(largest):
    bar = PAINTERS["cells"].scale(Scale(largest, 100 * largest, "0.01", 100, False, 224))[0]
    (beam,) = [mark.picture for mark in bar.marks if isinstance(mark, Patch)]
    row = [beam.getpixel((x, beam.height // 2)) for x in range(beam.width)]
    assert [x for x, colour in enumerate(row) if colour in ((0, 0, 0), (255, 255, 255))] == [
        1 + round(0.01 / largest * 223)
    ]


def test_weight_beside_the_photo_is_noted():
    weights = torch.zeros(2, 16)
    weights[0, :4], weights[1, 5] = 0.25, 1.0
    caption = make_caption("one two", Placement((80, 40), (80, 80), offset=(0.0, -20.0)), weights=weights)
    texts = said(sheet(photo((80, 40)), caption, Style(words="all")))
    assert [text for text in texts if "beside" in text] == ["100% beside the photo"]


def test_small_probabilities_have_digits():
    assert [in_digits(share) for share in (1.0, 0.931, 0.0995, 0.0042, 0.00014, 0.0)] == [
        "1.00", "0.93", "0.10", "0.0042", "1.4e-4", "0",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["reveal", "cells", "ratio"])
@pytest.mark.parametrize(
    ("multiple", "written"),
    [(1.0000001, "1"), (1.0003, "1.0003"), (1.02, "1.02"), (1.3, "1.3"), (1.504, "1.504"), (2.04, "2")],
)
def test_numbers_of_the_legend_that_differ_are_not_written_alike(kind, multiple, written):
    weights = torch.full((1, 16), 1 / 16)
    weights[0, 3] *= multiple
    texts = said(
        sheet(photo((80, 80)), make_caption("one", Placement.whole((80, 80)), weights=weights), Style(kind=kind))
    )
    if kind == "reveal":
        assert said_of(texts, "weight / uniform") == (["0", "1"] if written == "1" else ["0", written, "1"])
    elif kind == "ratio":
        written = written if written != "1.504" else "1.5"
        assert f"1: a uniform map (0.062), no colour; largest: {written}" in texts
    else:
        assert ("0.0625" if written == "1" else "0.062") not in texts, "beside a uniform map: 0.062"


def said_of(texts, name):
    """The marks of a scale up to 1, whose name stands before them, and whose note behind them."""
    return [text for text in texts[texts.index(name) + 1 :][:3] if ":" not in text and text != "1.5"]


def test_a_scale_for_each_word_says_where_it_ends():
    weights = torch.full((2, 16), 0.01)
    weights[1, 3] = 0.64
    caption = make_caption("one two", Placement.whole((80, 80)), weights=weights)
    assert _maps(caption, (40, 40), scale="word", kind="cells").tops.tolist() == pytest.approx([0.01, 0.64])
    made = sheet(photo((80, 80)), caption, Style(scale="word", kind="cells"))
    assert {"colours to 0.01", "colours to 0.64", "the word's own largest"} <= set(said(made))
    assert made.metadata["colour scale"] == "one for each word"


def test_captions_of_several_models_share_one_scale():
    two = [make_caption("one", Placement.whole((80, 80)), weights=torch.full((1, 16), top)) for top in (0.1, 0.4)]
    found = maps_over(photo((80, 80)), two, (20, 20), Style())
    assert [float(maps.tops) for maps in found] == pytest.approx([0.4, 0.4])


def test_smooth_maps_say_so():
    caption = make_caption("one", Placement.whole((80, 80)))
    made = sheet(photo((80, 80)), caption, Style(smooth=True))
    assert any("interpolated between the regions' centres" in text for text in [" ".join(said(made))])
    assert made.metadata["drawn"] == "smooth"
    assert sheet(photo((80, 80)), caption).metadata["drawn"] == "cells"


def test_where_boxes_overlap_the_scale_reaches_their_sum():
    boxes = Boxes(torch.tensor([[0.0, 0.0, 0.6, 1.0], [0.4, 0.0, 1.0, 1.0]]))
    caption = make_caption("one", Placement.whole((80, 80)), boxes, weights=torch.tensor([[0.5, 0.25]]))
    assert float(_maps(caption, (80, 80)).tops) == pytest.approx(0.75)


def test_weights_that_are_all_zero_can_be_drawn():
    sheet(photo((80, 80)), make_caption("one", Placement.whole((80, 80)), weights=torch.zeros(1, 16)))


@pytest.mark.parametrize("attend", ["before", "after"])
def test_the_legend_says_when_the_decoder_attended_and_to_what(attend):
    caption = make_caption("a dog", Placement.whole((80, 80)), Grid(10, 7), attend=attend)
    made = sheet(photo((80, 80)), caption, Style(panel=400))
    assert f"attended {attend} reading the previous word · 10 x 7 regions" in " ".join(said(made))
    assert made.metadata["convention"] == f"attended {attend} reading the previous word"


def test_sentinel_and_gate_are_shown_where_there_are_any():
    shares = {"sentinel": torch.tensor([0.25, 0.5]), "gate": torch.tensor([0.75, 1.0])}
    made = sheet(photo((80, 80)), make_caption("one dog", Placement.whole((80, 80)), **shares))
    assert {"sentinel 0.25", "sentinel 0.50", "gate 0.75", "gate 1.00"} <= set(said(made))
    assert json.loads(made.metadata["sentinel"]) == [0.25, 0.5]


def test_what_the_network_never_saw_is_hatched_and_named():
    cropped = Placement.whole((160, 80)).cropped(40, 0, (80, 80))
    caption = make_caption("a", cropped, weights=torch.zeros(1, 16))
    assert "not seen by the network" in said(sheet(photo((160, 80)), caption))
    drawn = _maps(caption, (160, 80), kind="cells").on(photo((160, 80), (0, 0, 0)))(0)
    assert {drawn.getpixel((x, 40))[0] for x in (*range(40), *range(120, 160))} == {118, 178}
    assert {drawn.getpixel((x, 40))[0] for x in range(40, 120)} == {165}
    assert "not seen by the network" not in said(sheet(photo((160, 80)), make_caption("a", Placement.whole((160, 80)))))


def test_the_legend_says_so_if_the_decoder_does_not_attend():
    made = said(sheet(photo((80, 80)), make_caption("a dog", None, weights=None)))
    assert "this decoder has no attention" in made
    assert made.count("0.93") == 2
    assert not any(text.startswith("attended") for text in made)


def test_a_caption_without_words_is_the_photo_alone():
    assert "(a caption without words)" in said(sheet(photo((80, 80)), make_caption("", Placement.whole((80, 80)))))


def test_the_photos_name_stands_above_its_caption():
    made = sheet(photo((80, 80)), make_caption("a", Placement.whole((80, 80))), name="beach.jpg")
    assert said(made)[:2] == ["beach.jpg", "a"]
    assert made.metadata["photo"] == "beach.jpg"


@pytest.mark.parametrize("word", ["a", "extraordinarily", "x" * 5000])
@pytest.mark.parametrize("room", [20, 60, 200])
def test_a_long_word_fits_its_panel(word, room):
    text, size = shortened(word, room, 18)
    assert length(text, size) <= room
    assert text == word or text.endswith("…")


@pytest.mark.parametrize("text", ["one two three " * 20, "x" * 700, "a\nb", ""])
def test_wrapped_text_stays_within_its_width_and_loses_nothing(text):
    lines = wrap(text, 200, 20)
    assert all(length(line, 20) <= 200 for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


@pytest.fixture
def one_thread():
    """Torch on one thread: several threads spin for seconds if another process uses the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_huge_photo_costs_little_work_beyond_its_resize(one_thread):
    """Processor time instead of elapsed time, so that other processes do not count."""
    huge = photo((6000, 4000))
    caption = make_caption("word " * 12, Placement.whole(huge.size).resized((224, 224)), Grid(14, 14))
    sheet(photo((30, 20)), replace(caption, placement=Placement.whole((30, 20)))).picture()  # fonts are loaded once
    seconds = []
    for _ in range(3):
        start = time.process_time()
        fit(huge, 224)
        resized = time.process_time()
        sheet(huge, caption).picture()
        seconds.append(time.process_time() - resized - (resized - start))
    assert min(seconds) < 0.3


def test_a_photo_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="exif_transpose"):
        sheet(photo((80, 60)), make_caption("a", Placement.whole((60, 80))))


def test_weights_without_a_placement_are_an_error():
    with pytest.raises(ValueError, match="placement"):
        sheet(photo((80, 60)), make_caption("a", None))


def test_a_panel_too_small_for_text_is_an_error():
    with pytest.raises(ValueError, match="panel"):
        Style(panel=10)


@pytest.mark.parametrize("text", ["a dog", "ein süßer Hund", "собака", "ένας σκύλος"])
def test_the_file_says_what_it_shows(tmp_path, text):
    path = tmp_path / "new" / "folder" / "sheet.png"
    save_sheet(path, photo((80, 80)), make_caption(text, Placement.whole((80, 80)), attend="after"))
    with Image.open(path) as saved:
        assert saved.text["caption"] == text
        assert saved.text["attend"] == "after"
        assert json.loads(saved.text["layout"]) == {"rows": 4, "columns": 4}


def test_the_file_holds_the_same_pixels_as_the_sheet(tmp_path):
    caption = make_caption("a dog", Placement.whole((80, 80)))
    save_sheet(tmp_path / "sheet.png", photo((80, 80)), caption)
    with Image.open(tmp_path / "sheet.png") as saved:
        assert saved.tobytes() == sheet(photo((80, 80)), caption).picture().tobytes()


@pytest.mark.parametrize("failing", ["save", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")

    def half_written(self, file, **_):
        file.write_bytes(b"half")
        raise OSError("disk full")

    def refused(*_):
        raise PermissionError("not writable")

    target, name, fake = (Image.Image, "save", half_written) if failing == "save" else (os, "replace", refused)
    monkeypatch.setattr(target, name, fake)
    with pytest.raises(OSError, match=r"disk full|not writable"):
        save_sheet(path, photo((80, 80)), make_caption("a dog", Placement.whole((80, 80))))
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        save_sheet(tmp_path / "taken" / "sheet.png", photo((8, 8)), make_caption("a", Placement.whole((8, 8))))
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_another_kind_of_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"\.png"):
        save_sheet(tmp_path / "sheet.jpg", photo((8, 8)), make_caption("a", Placement.whole((8, 8))))
    assert not list(tmp_path.iterdir())


def test_contact_stacks_sheets_without_changing_them():
    red, blue = patch(photo((30, 10), (255, 0, 0))), patch(photo((20, 15), (0, 0, 255)))
    both = contact([red, blue]).picture()
    assert both.size == (30, 25)
    assert both.getpixel((29, 9)) == (255, 0, 0)
    assert both.getpixel((19, 24)) == (0, 0, 255)
    assert both.getpixel((25, 20)) == (255, 255, 255)


def test_contact_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        contact([])


LONG = " ".join(f"a w{number} of" for number in range(60))


def test_content_words_have_maps_and_the_others_are_named():
    caption = make_caption("a dog on the red grass", Placement.whole((80, 80)))
    made = sheet(photo((80, 80)), caption)
    assert [text for text in said(made) if text in caption.words] == ["dog", "red", "grass"]
    assert "words without a map: a, on, the" in " ".join(said(made))
    every = sheet(photo((80, 80)), caption, Style(words="all"))
    assert [text for text in said(every) if text in caption.words] == caption.words
    assert "words without a map" not in " ".join(said(every))


def test_a_map_of_content_words_is_that_words_own():
    weights = torch.zeros(3, 16)
    weights[0, 0] = weights[1, 5] = weights[2, 15] = 1
    caption = make_caption("dog on grass", Placement.whole((80, 80)), weights=weights)
    tiles = [mark.picture for mark in sheet(photo((80, 80)), caption).marks if getattr(mark, "picture", None)]
    left, right = tiles[1], tiles[2]
    assert left.getpixel((28, 28)) != left.getpixel((196, 196))
    assert right.getpixel((196, 196)) == left.getpixel((28, 28)), "the same weight looks the same"


def test_a_map_that_is_nearly_uniform_says_that_the_decoder_looked_everywhere():
    weights = torch.full((2, 16), 1 / 16)
    weights[1] = torch.tensor([4.0, *[0.8] * 15]).div(16)
    weights[1, 0] = 9 / 16
    caption = make_caption("red dog", Placement.whole((80, 80)), weights=weights / weights.sum(1, keepdim=True))
    texts = said(sheet(photo((80, 80)), caption))
    assert "looked everywhere · 16 of 16 regions" in texts
    assert "6.9 x uniform · 9 of 16 regions" in texts


@pytest.mark.parametrize("size", [(80, 80), (60, 90), (90, 60), (400, 60)])
@pytest.mark.parametrize("draw", [sheet, strip])
@pytest.mark.parametrize("words", [LONG, "dog"])
def test_a_long_caption_fits_a_page(size, draw, words):
    made = draw(photo(size), make_caption(words, Placement.whole(size)), Style(panel=64))
    short, long = sorted((made.width / made.dpi, made.height / made.dpi))
    assert short <= 7.5
    assert long <= 11
    assert all(mark.left >= 0 and mark.top <= made.height for mark in made.marks)


@pytest.mark.parametrize("dark", [False, True])
def test_paper_and_ink_are_light_on_dark_or_dark_on_light(dark):
    made = sheet(photo((80, 80)), make_caption("dog", Placement.whole((80, 80))), Style(dark=dark)).picture()
    paper = sum(made.getpixel((0, 0))) / 3
    texts = made.crop((20, 20, 120, 60)).convert("L").getextrema()
    assert (paper < 40 and texts[1] > 200) if dark else (paper == 255 and texts[0] < 60)


def test_a_picture_in_another_mode_is_drawn_as_it_is_captioned():
    grey = Image.fromarray(numpy.full((20, 20), 200 * 257, dtype=numpy.uint16))
    assert fit(grey, 20).getpixel((5, 5)) == (200, 200, 200)
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert fit(clear, 20).getpixel((5, 5)) == (255, 255, 255)
    lying = Image.new("RGB", (40, 20))
    lying.info["exif"] = lying.getexif()
    lying.getexif()[0x0112] = 6
    assert fit(lying, 20).size == (20, 10), "the size of a picture is not that of its rotation"


@pytest.mark.parametrize("option", [{"words": "nouns"}, {"kind": "Cells"}, {"kind": "cells", "scale": "Word"}])
def test_a_style_that_does_not_exist_is_an_error(option):
    with pytest.raises(ValueError, match="should be one of"):
        Style(**option)


@pytest.mark.parametrize(
    ("photo_size", "view", "rows", "beside"),
    [((224, 160), 224, 7, {0, 6}), ((640, 512), 320, 10, {0, 9}), ((600, 400), 384, 12, {0, 1, 10, 11})],
)
def test_rounding_does_not_put_a_row_on_the_photo(photo_size, view, rows, beside):
    _, placement = Preprocess("inside", (view, view))(Image.new("RGB", photo_size))
    caption = make_caption("one", placement, weights=torch.full((1, rows * rows), 1 / rows**2), layout=Grid(rows, rows))
    assert set((beside_photo(caption).nonzero().flatten() // rows).tolist()) == beside


def test_an_opened_photo_that_is_stored_upside_down_is_drawn_upright(tmp_path):
    path, exif = tmp_path / "turned.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    Image.effect_noise((64, 48), 80).convert("RGB").save(path, exif=exif, quality=95)
    caption = make_caption("one two", Placement.whole((64, 48)))
    with Image.open(path) as opened:
        save_sheet(tmp_path / "opened.png", opened, caption)
    save_sheet(tmp_path / "file.png", path, caption)
    assert (tmp_path / "opened.png").read_bytes() == (tmp_path / "file.png").read_bytes()
