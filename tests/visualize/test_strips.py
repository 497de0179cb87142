"""Strips, models side by side, heads and animations show every word, on one colour scale, and have a legend."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from captioner.errors import UserError
from captioner.regions import Boxes, Grid, Placement
from captioner.visualize.animation import frames, save_animation
from captioner.visualize.drawing import Patch, Text, length
from captioner.visualize.overlay import Style, fit
from captioner.visualize.reveal import pixels_of
from captioner.visualize.strips import heads, side_by_side, strip
from tests.visualize.test_page import make_caption, photo

SIZES = [(16, 16), (600, 60), (60, 600)]
SMALLEST = Style(panel=64)
MANY = " ".join(f"w{number}" for number in range(14))


def said(drawing):
    return [mark.text for mark in drawing.marks if isinstance(mark, Text)]


def inside(drawing):
    """Whether every mark is inside the picture; texts are checked by their start."""
    return all(
        0 <= mark.left <= drawing.width - (mark.picture.width if isinstance(mark, Patch) else 0)
        and 0 <= mark.top <= drawing.height - (mark.picture.height if isinstance(mark, Patch) else 0)
        for mark in drawing.marks
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("words", ["one dog", MANY, ""])
@pytest.mark.parametrize("draw", [strip, heads, lambda photo, caption: side_by_side(photo, {"one": caption})])
def test_every_word_stands_under_its_map_and_on_the_paper(size, words, draw):
    made = draw(photo(size), make_caption(words, Placement.whole(size), num_heads=3))
    assert [text for text in said(made) if text in words.split()] == words.split()
    assert inside(made)
    assert made.metadata["caption"] == words


def test_a_strip_shows_the_photo_and_a_map_for_each_word():
    made = strip(photo(), make_caption("one dog", Placement.whole((64, 48))))
    maps = [mark.picture for mark in made.marks if isinstance(mark, Patch) and mark.picture.size == (288, 216)]
    assert len(maps) == 3
    assert len({picture.tobytes() for picture in maps}) == 3


def test_models_side_by_side_are_named_and_share_one_scale():
    low, high = torch.full((1, 16), 0.1), torch.full((1, 16), 0.4)
    captions = {
        "low": make_caption("a", Placement.whole((64, 48)), weights=low, attend="after"),
        "high": make_caption("a", Placement.whole((64, 48)), weights=high),
        "blind": make_caption("a dog", None, weights=None),
    }
    made = side_by_side(photo(), captions)
    assert "6.4" in said(made), "the largest weight over that of a uniform map"
    assert [text.split(" · ")[:2] for text in said(made) if " · confidence" in text] == [
        ["low", "attended after reading the previous word"],
        ["high", "attended before reading the previous word"],
        ["blind", "this decoder has no attention"],
    ]
    assert made.metadata["models"] == "low, high, blind"
    assert made.metadata["attend"] == "after\nbefore\nnot at all"


def test_a_picture_of_few_words_is_no_wider_than_they_need_and_nothing_is_cut_off():
    caption = make_caption("a dog", Placement.whole((64, 48)))
    notes = {"attention": 10 * "what this account is and what it is not; "}
    made = side_by_side(photo(), {"attention": caption}, Style(panel=144), notes)
    assert made.width < 5 * 144
    assert " ".join(" ".join(said(made)).split()).count("what it is not") == 10
    ends = [mark.left + length(mark.text, mark.size) for mark in made.marks if isinstance(mark, Text)]
    assert max(ends) <= made.width


def test_side_by_side_of_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"needs \{name: caption\}, got \{\}"):
        side_by_side(photo(), {})


def test_heads_have_a_row_each_and_their_mean_one():
    made = heads(photo(), make_caption("one dog", Placement.whole((64, 48)), num_heads=5))
    assert [text for text in said(made) if text.startswith(("mean", "head"))] == [
        "mean", "head 1", "head 2", "head 3", "head 4", "head 5"
    ]  # fmt: skip
    assert sum(isinstance(mark, Patch) and mark.picture.size == (96, 72) for mark in made.marks) == 2 * 6


@pytest.mark.parametrize("words", ["a dog", ""])
def test_heads_stand_below_the_caption_and_its_photo(words):
    noise = photo()
    made = heads(noise, make_caption(words, Placement.whole((64, 48)), num_heads=5))
    assert said(made)[0] == (words or "(a caption without words)")
    first = next(mark.picture for mark in made.marks if isinstance(mark, Patch))
    assert first.tobytes() == fit(noise, 192).tobytes()


def test_heads_of_a_caption_without_any_are_an_error():
    with pytest.raises(ValueError, match="no heads"):
        heads(photo(), make_caption("a", Placement.whole((64, 48))))


@pytest.mark.parametrize("layout", [Grid(3, 5), Boxes(torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]]))])
@pytest.mark.parametrize("words", ["one dog", MANY, ""])
def test_an_animation_has_a_frame_for_the_photo_and_one_for_each_word(tmp_path, words, layout):
    caption = make_caption(words, Placement.whole((64, 48)), layout, sentinel=torch.rand(len(words.split())))
    drawn = frames(photo(), caption, SMALLEST)
    assert len(drawn) == 1 + len(words.split())
    assert len({frame.size for frame in drawn}) == 1
    save_animation(tmp_path / "a.gif", photo(), caption, SMALLEST)
    with Image.open(tmp_path / "a.gif") as saved:
        assert getattr(saved, "n_frames", 1) == len(drawn)
        assert json.loads(saved.info["comment"])["convention"] == "attended before reading the previous word"


def test_a_gif_keeps_the_colours_of_the_legend_and_webp_those_of_the_photo(tmp_path):
    """The photo has more colours than a palette holds; the legend's bar has its own part of the palette."""
    colourful = Image.merge("RGB", [Image.effect_noise((300, 200), 90) for _ in range(3)])
    caption = make_caption("one dog", Placement.whole((300, 200)), Grid(5, 5))
    drawn = frames(colourful, caption)
    save_animation(tmp_path / "a.gif", colourful, caption)
    save_animation(tmp_path / "a.webp", colourful, caption)
    foot = (0, drawn[1].height - drawn[1].height // 6, *drawn[1].size)
    with Image.open(tmp_path / "a.gif") as saved:
        saved.seek(1)
        error = (pixels_of(saved.convert("RGB").crop(foot)) - pixels_of(drawn[1].crop(foot))).abs()
        assert float(error.max()) <= 4
        assert float(error.mean()) < 0.5
    with Image.open(tmp_path / "a.webp") as saved:
        assert saved.n_frames == 3
        assert json.loads(saved.getexif()[270])["style"] == "reveal"
        saved.seek(1)
        assert float((pixels_of(saved.convert("RGB").crop(foot)) - pixels_of(drawn[1].crop(foot))).abs().mean()) < 3


def test_the_legend_of_an_animation_stands_still():
    """Below a photo without a note, and below notes of one line and of two."""
    caption = make_caption("ox " + 30 * "m", Placement.whole((64, 48)), Grid(3, 5), sentinel=torch.rand(2))
    drawn = [pixels_of(frame) for frame in frames(photo(), caption, SMALLEST)]
    height, width = drawn[0].shape[0] // 3, drawn[0].shape[1]
    feet = [frame[-height:, :width] for frame in drawn]
    assert float(feet[0].std()) > 0
    assert all(torch.equal(foot, feet[0]) for foot in feet)


def test_an_animation_of_another_kind_of_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"\.gif"):
        save_animation(tmp_path / "a.png", photo(), make_caption("a", Placement.whole((64, 48))))
    assert not list(tmp_path.iterdir())


def test_shares_stand_below_the_words():
    caption = replace(make_caption("one dog", Placement.whole((64, 48))), sentinel=torch.tensor([0.25, 0.5]))
    assert {"sentinel 0.25", "sentinel 0.50"} <= set(said(strip(photo(), caption)))


def test_layers_have_their_heads_below_one_another():
    caption = make_caption("one dog", Placement.whole((64, 48)), num_heads=3)
    single = heads(photo(), caption)
    made = heads(photo(), {"layer 1 of 2": caption, "layer 2 of 2": caption}, notes={"layer 2 of 2": "the last"})
    texts = [mark.text for mark in made.marks if hasattr(mark, "text")]
    assert texts.count("head 3") == 2
    assert "layer 1 of 2" in texts
    assert "layer 2 of 2 · the last" in texts
    assert "not its share in the word" in " ".join(texts)
    assert made.height > 1.5 * single.height
