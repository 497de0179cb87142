"""The tokeniser of coco-caption: Stanford's Penn Treebank tokeniser in lower case, without punctuation."""

from __future__ import annotations

import re
from collections.abc import Callable

from captioner.text.ptb_alphabet import shadow
from captioner.text.ptb_rules import EXPRESSIONS, NEEDS_MORE, PLAIN_CHUNK

PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""coco-caption's list without its upper-case names of brackets, which never equal a lower-case token."""

_NEXT_CAPTION = "\nA "
_QUOTES = str.maketrans(
    {
        '"': "''",
        **dict.fromkeys("\u0091\u2018\u201b\u2039", "`"),
        **dict.fromkeys("\u0092\u2019\u203a", "'"),
        **dict.fromkeys("\u0093\u201c\u00ab", "``"),
        **dict.fromkeys("\u0094\u201d\u00bb", "''"),
    }
)
_CURRENCIES = str.maketrans({"\u00a2": "cents", "\u00a3": "#", **dict.fromkeys("\u0080\u00a4\u20a0\u20ac", "$")})
_FRACTIONS = {"\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
_BRACKETS = str.maketrans({"[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-", "(": "-lrb-", ")": "-rrb-"})
_ROUND_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-"})
_AMPERSAND = re.compile("&amp;", re.IGNORECASE)

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda token: token,
    "word": lambda token: token.replace("\u00ad", "") or "-",
    "spaced": lambda token: token.replace(" ", "\u00a0"),
    "phone": lambda token: token.replace(" ", "\u00a0").translate(_ROUND_BRACKETS),
    "face": lambda token: token.translate(_ROUND_BRACKETS),
    "bracket": lambda token: token.translate(_BRACKETS),
    "angle": lambda token: {"&lt;": "<", "&gt;": ">"}.get(token.lower(), token),
    "ampersands": lambda token: _AMPERSAND.sub("&", token),
    "quotes": lambda token: token.replace("&apos;", "'").replace("&quot;", '"').translate(_QUOTES),
    "fraction": lambda token: _FRACTIONS.get(token, token),
    "currency": lambda token: token.translate(_CURRENCIES),
    "dash": lambda token: token if set(token) == {"-"} and not 3 <= len(token) <= 4 else "--",
    "nothing": lambda token: "",
}
"""How a token is written, by the form that its rule names."""


def ptb_words(caption: str) -> list[str]:
    r"""The words of a caption as coco-caption's PTBTokenizer returns them, one caption at a time and without Java.

    Every run of white space is replaced by one space first, including all line breaks that `str.split` knows ("\n", "\x0b", "\x0c",
    U+0085, U+2028, U+2029, ...). coco-caption replaces "\n" only; its Java step reads the others as ends of lines too, and every later
    caption of that run gets the words of another one.

    Source: pycocoevalcap/tokenizer/ptbtokenizer.py, which calls PTBTokenizer of Stanford CoreNLP 3.4.1 with -preserveLines and
    -lowerCase.
    Differs: the Java step reads captions as lines of one text, so that a caption's end may depend on the next one, which no function
    of one caption can know. Here every caption is followed by one that starts with "A", as most do. This matters where a caption
    1. ends in a single letter and a period: "vitamin C." keeps its period before "Two dogs" there, never here;
    2. ends in an abbreviation that usually precedes a number: "no." keeps its period before "5 dogs" there, never here;
    3. opens a tag's quoted value (`<a b="`) or an odd emoticon (`x.[^x=`) that a later caption closes: there they are one token;
    4. is the last of all, so that no line break follows: "b.", "the '90" and "x :)" end differently there.
    Letters are lower-cased by the rules of Python's Unicode version, there by those of Java's, which may know fewer or more letters. Java
    also treats a capital sigma before digits and further letters ("\u039f\u03a312x") as one inside a word.
    """
    words: list[str] = []
    chunks = caption.split()
    last = len(chunks) - 1
    for index, chunk in enumerate(chunks):
        own_words = _CHUNKS[chunk]
        if own_words is None:
            if chunk == "." and index == last:
                break
            return _words_in_context(" ".join(chunks), _CHUNKS)
        words += own_words
    return words


class _Chunks(dict[str, "tuple[str, ...] | None"]):
    """Cache of the words of a chunk between spaces; None if they depend on its neighbours. Emptied when full."""

    size = 1 << 17

    def __missing__(self, chunk: str) -> tuple[str, ...] | None:
        plain = PLAIN_CHUNK.fullmatch(chunk)
        if plain:
            words = (plain[1].lower(),)
        elif NEEDS_MORE.search(chunk):
            words = None
        else:
            words = tuple(_words_in_context(chunk, {}))
        if len(self) >= self.size:
            self.clear()
        self[chunk] = words
        return words


_CHUNKS = _Chunks()


def _words_in_context(text: str, chunks: dict[str, tuple[str, ...] | None]) -> list[str]:
    """Apply the rules from left to right; chunks in `chunks` are not tokenised again."""
    text = _WIDE.sub(_as_two_units, text)
    end = len(text)
    letters = shadow(text + _NEXT_CAPTION)
    words: list[str] = []
    index = 0
    while index < end:
        chunk = _CHUNK.match(text, index) if chunks else None
        own_words = chunks[chunk[0]] if chunk else None
        # "so. . ." is "so" and an ellipsis
        if chunk and own_words is not None and not text.startswith(" .", chunk.end()):
            words += own_words
            index = chunk.end()
            continue
        form, stop = _longest_match(letters, index)
        token = _as_characters(FORMS[form](text[index:stop])).lower()
        words += [word for word in token.split(" ") if word and word not in PUNCTUATION]
        index = stop
    return words


_CHUNK = re.compile("(?<![^ ])[^ ]+")
_WIDE = re.compile("[\U00010000-\U0010ffff]")


def _longest_match(letters: str, index: int) -> tuple[str, int]:
    """The form of the token that starts at an index, and the index of its end."""
    best, furthest, stop = "nothing", index, index + 1
    for form, expression in EXPRESSIONS:
        match = expression.match(letters, index)
        if match and match.end() > furthest:
            best, furthest, stop = form, match.end(), match.end(match.lastindex or 0)
    return best, stop


def _as_two_units(match: re.Match[str]) -> str:
    """A character beyond 16 bits as the surrogate pair that Java sees."""
    above = ord(match[0]) - 0x10000
    return chr(0xD800 + (above >> 10)) + chr(0xDC00 + (above & 0x3FF))


def _as_characters(token: str) -> str:
    """Surrogate pairs as characters again."""
    return token if token.isascii() else token.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def forget() -> None:
    """Empty the cache of chunks."""
    _CHUNKS.clear()
