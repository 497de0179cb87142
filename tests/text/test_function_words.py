"""Content words are those that name something one could see."""

from __future__ import annotations

import pytest

from captioner.text.function_words import FUNCTION_WORDS, content_words, is_content


@pytest.mark.parametrize(
    ("caption", "content"),
    [
        ("a man is riding a horse on the beach", "man riding horse beach"),
        ("two dogs run through the green grass .", "two dogs run green grass"),
        ("a red circle is to the left of a blue star", "red circle left blue star"),
        ("The Dog 's ball is next to it", "Dog ball"),
        ("there isn n't any", "isn"),
        ("一只 狗 在 草地 上", "一只 狗 在 草地 上"),
        ("it is on the", "it is on the"),
        ("", ""),
    ],
)
def test_content_words_of_captions(caption, content):
    words = caption.split()
    assert [words[position] for position in content_words(words)] == content.split()


def test_the_list_holds_words_in_lower_case_and_no_word_that_names_an_object():
    from captioner.text.object_synonyms import SYNONYMS

    named = {word for phrase in SYNONYMS for word in phrase.split()}
    named |= {word for words in SYNONYMS.values() for phrase in words.split(", ") for word in phrase.split()}
    assert len(FUNCTION_WORDS) > 150
    assert len(named) > 300
    assert FUNCTION_WORDS & named == set()
    assert all(word == word.lower() for word in FUNCTION_WORDS)


@pytest.mark.parametrize("mark", [".", ",", "-", "''", "..."])
def test_punctuation_is_no_content(mark):
    assert not is_content(mark)
