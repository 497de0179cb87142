"""Positions of a caption's words in an animation: scripts from right to left, characters without spaces, long words."""

from __future__ import annotations

from itertools import pairwise

import pytest

from captioner.regions import Placement
from captioner.visualize.animation import LARGE, _note, _sentence
from captioner.visualize.drawing import Text, length
from tests.visualize.test_page import make_caption

WIDTH = 400


def placed(words, text=None):
    """The words of a sentence with the pixels at which each begins and ends, line by line."""
    caption = make_caption(words, Placement.whole((64, 48)), **({"text": text} if text else {}))
    marks = [mark for mark in _sentence(caption, 0, " ", WIDTH, LARGE).marks if isinstance(mark, Text)]
    return [
        (mark.top, mark.left, mark.left + length(mark.text, mark.size), mark.text)
        for mark in marks
        if mark.text.strip()
    ]


@pytest.mark.parametrize(
    "words",
    ["קלב רץ על הדשא הירוק ליד הבית הגדול והישן שבעיר", "كلب يجري على العشب الأخضر قرب البيت الكبير في المدينة"],
)
def test_words_written_from_right_to_left_begin_at_the_right(words):
    found = placed(words)
    assert [word for *_, word in found] == words.split()
    assert found[0][2] == pytest.approx(WIDTH)
    assert len({y for y, *_ in found}) > 1
    for (y, left, *_), (next_y, _, right, _) in pairwise(found):
        assert right < left if next_y == y else right == pytest.approx(WIDTH)
    assert min(left for _, left, *_ in found) >= 0


def test_words_written_from_left_to_right_begin_at_the_left():
    found = placed("a dog runs on the grass near the old house at the end of the street")
    for (y, _, right, _), (next_y, left, *_) in pairwise(found):
        assert left > right if next_y == y else left == 0


def test_a_phrase_from_left_to_right_within_a_caption_from_right_to_left_keeps_its_order():
    assert [word for *_, word in sorted(placed("כלב עם red ball רץ"), key=lambda found: found[1])] == [
        "רץ",
        "red",
        "ball",
        "עם",
        "כלב",
    ]


def test_there_is_no_space_between_characters():
    first, second, *_ = placed("a b c", text="abc")
    assert second[1] == pytest.approx(first[2])


def test_a_word_without_end_stays_within_the_picture_and_its_note_is_short():
    words = "a " + "w" * 300
    assert all(right <= WIDTH for _, _, right, _ in placed(words))
    assert len(_note(make_caption(words, Placement.whole((64, 48))), 1)) < 300
