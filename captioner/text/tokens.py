"""Tokenisers, by the name a config gives them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable


class _WordCharacters(dict[int, str]):
    """Maps every character to itself if words can contain it (letters, digits, combining marks, apostrophes), else to a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character.isalnum() or unicodedata.category(character).startswith("M") or character == "'"
        self[code] = character if kept else "'" if character == "\u2019" else " "
        return self[code]


_WORD_CHARACTERS = _WordCharacters()


def simple_words(caption: str) -> list[str]:
    """Lower case, without punctuation, split at white space; apostrophes inside words stay."""
    words = (word.strip("'") for word in caption.lower().translate(_WORD_CHARACTERS).split())
    return [word for word in words if word]


def ptb_words(caption: str) -> list[str]:
    """The tokens of coco-caption, which papers score with; see `captioner/text/ptb.py`."""
    from captioner.text import ptb  # a large table, which only this tokeniser needs

    return ptb.ptb_words(caption)


def whitespace_words(caption: str) -> list[str]:
    """Split at white space only, for captions that are already tokenised."""
    return caption.split()


def character_words(caption: str) -> list[str]:
    """Every character except white space is a word, for languages without spaces."""
    return list("".join(caption.split()))


_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uaa60-\uaa7f\uff66-\uff9f\U00020000-\U0003ffff]"
)
_LONGEST_WORD = 4  # letters; captions in these scripts that were cut into words have fewer per word


def lacks_spaces(caption: str) -> bool:
    """Is the caption in a script that is written without spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer, Tibetan), and not cut?"""
    letters = [letter for letter in _WITHOUT_SPACES.findall(caption) if unicodedata.category(letter)[0] != "M"]
    return len(letters) > _LONGEST_WORD * max(1, len(caption.split()))


TOKENS: dict[str, Callable[[str], list[str]]] = {
    "simple": simple_words,
    "ptb": ptb_words,
    "whitespace": whitespace_words,
    "characters": character_words,
}
"""Tokenisers by name; settings and vocabularies accept these names."""


def leaves_whole(caption: str, tokens: str) -> bool:
    """Is the caption in a script without spaces that the tokeniser of this name does not cut into words?

    `ptb` cuts some of these scripts at combining marks, and its pieces are no words either.
    """
    return lacks_spaces(caption if tokens == "ptb" else " ".join(TOKENS[tokens](caption)))
