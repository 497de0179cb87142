"""How a caption is cut into words: every rule, by the name a config gives it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable


class _WordCharacters(dict[int, str]):
    """Turns what cannot be in a word into a space: all but letters, digits, the marks that sit on letters, and apostrophes."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character.isalnum() or unicodedata.category(character).startswith("M") or character == "'"
        self[code] = character if kept else "'" if character == "\u2019" else " "
        return self[code]


_WORD_CHARACTERS = _WordCharacters()


def simple_words(caption: str) -> list[str]:
    """Lower case, punctuation removed, split at white space; an apostrophe inside a word stays, typed either way."""
    words = (word.strip("'") for word in caption.lower().translate(_WORD_CHARACTERS).split())
    return [word for word in words if word]


def ptb_words(caption: str) -> list[str]:
    """The tokens of coco-caption, which papers score with; see `captioner/text/ptb.py`."""
    from captioner.text import ptb  # a large table, which only this tokeniser needs

    return ptb.ptb_words(caption)


def whitespace_words(caption: str) -> list[str]:
    """Split at white space and nothing more, for captions that come tokenised."""
    return caption.split()


def character_words(caption: str) -> list[str]:
    """Every character but white space is a word, for languages without spaces."""
    return list("".join(caption.split()))


TOKENS: dict[str, Callable[[str], list[str]]] = {
    "simple": simple_words,
    "ptb": ptb_words,
    "whitespace": whitespace_words,
    "characters": character_words,
}
"""How a caption is cut into words, by the name a config gives it."""
