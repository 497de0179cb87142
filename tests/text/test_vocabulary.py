"""Words and their numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.builder import read_vocabulary
from captioner.errors import UserError
from captioner.text.tokens import TOKENS, simple_words
from captioner.text.vocabulary import MARKS, UNK, Vocabulary


def test_words_below_the_threshold_are_unknown():
    vocabulary = Vocabulary.from_captions(["a dog", "a cat", "A dog."], min_count=2)
    assert vocabulary.words == [*MARKS, "a", "dog"]
    assert vocabulary.encode("a cat")[2] == UNK


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's hat, on a table.", ["a", "man's", "hat", "on", "a", "table"]),
        ("'quoted' -- words_here", ["quoted", "words", "here"]),
        ("Ein Mädchen läuft — schnell", ["ein", "mädchen", "läuft", "schnell"]),
        ("दो कुत्ते।", ["दो", "कुत्ते"]),  # vowel signs are marks, not letters
        ("it\u2019s", ["it's"]),
        ("...", []),
        ("line\u2028break\nand\ttab", ["line", "break", "and", "tab"]),
    ],
)
def test_simple_words(caption, words):
    assert simple_words(caption) == words


@given(
    st.text(), st.sampled_from([rule for rule in TOKENS if rule != "ptb"])
)  # "(" becomes "-lrb-", "``" comes and goes
def test_tokenising_tokenised_text_changes_nothing(caption, tokens):
    vocabulary = Vocabulary(["x"], tokens)
    words = vocabulary.split(caption)
    assert vocabulary.split(vocabulary.join(words)) == words


def test_characters_are_joined_without_spaces():
    vocabulary = Vocabulary.from_captions(["一只 猫"], tokens="characters")
    assert vocabulary.join(vocabulary.split("一只猫")) == "一只猫"


def test_it_comes_back_from_its_file(tmp_path):
    vocabulary = Vocabulary.from_captions(["ein Mädchen", "猫"])
    vocabulary.save(tmp_path / "vocabulary.json")
    again = read_vocabulary(tmp_path / "vocabulary.json")
    assert (again.words, again.tokens) == (vocabulary.words, vocabulary.tokens)


def test_bad_vocabularies_are_named(tmp_path):
    with pytest.raises(UserError, match="each word once, got 'a' twice"):
        Vocabulary(["a", "a"])
    with pytest.raises(UserError, match="no word occurs 9 times"):
        Vocabulary.from_captions(["a dog"], min_count=9)
    with pytest.raises(UserError, match="tokens must be one of"):
        Vocabulary(["a"], "ptb3")
    (tmp_path / "v.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="should be as this program writes it"):
        read_vocabulary(tmp_path / "v.json")


@pytest.mark.parametrize("tokens", ["ptb", "characters"])
def test_words_are_looked_up_as_they_are(tokens):
    """Joined to a caption, some would be cut otherwise."""
    vocabulary = Vocabulary(["dog", "no.", "no", "b"], tokens)
    words = ["dog", "no.", "<unk>", "b"]
    assert vocabulary.decode(vocabulary.numbers(words)) == ["<start>", *words, "<end>"]
