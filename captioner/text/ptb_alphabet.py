"""The alphabet of the tokeniser's rules: ASCII, and a few stand-ins for all other characters."""

from __future__ import annotations


def _members(ranges: str) -> frozenset[int]:
    """The code points of ranges like "2c2-2c5 2ed", in hexadecimal."""
    bounds = [(part.split("-")[0], part.split("-")[-1]) for part in ranges.split()]
    return frozenset(code for first, last in bounds for code in range(int(first, 16), int(last, 16) + 1))


_NOT_YET_LETTERS = _members(
    """
    37f 528-52f 560 588 5ef 860-86a 870-887 889-88e 8a1 8ad-8c9 978 980 9fc af9 c34 c5a c5d c80 cdd d04 d54-d56 d5f e86 e89 e8c
    e8e-e93 e98 ea0 ea8-ea9 eac 13f5 13f8-13fd 16f1-16f8 170d 171f 1878 191d-191e 19b0-19c0 19c8-19c9 1b4c 1c80-1c88 1c90-1cba
    1cbd-1cbf 1cf2-1cf3 1cfa 2c2f 2c5f 312e-312f 31bb-31bf 4db6-4dbf 9fcd-9fff a698-a69d a78f a794-a79f a7ab-a7ca a7d0-a7d1 a7d3
    a7d5-a7d9 a7f2-a7f7 a8fd-a8fe a9e0-a9e4 a9e6-a9ef a9fa-a9fe aa7e-aa7f ab30-ab5a ab5c-ab69 ab70-abbf
    """
)
"""Letters that the source does not know: those added after Unicode 6.2, and seven others."""

_MARKS = _members(
    """
    2c2-2c5 2d2-2df 2e5-2eb 2ed 2ef-36f 375 378-379 384-385 3f6 483-487 55a-55f 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 615-61a 64b-65e
    670 6d6-6e4 6e7-6ed 6fd-6fe 70f 711 730-74c 7a6-7b0 7eb-7f3 900-903 93c 93e-94e 951-955 962-963 981-983 9bc 9be-9c4 9c7-9c8
    9cb-9cd 9d7 9e2-9e3 a01-a03 a3c a3e-a4f a81-a83 abc abe-acf b82 bbe-bc2 bc6-bc8 bca-bcd c01-c03 c3e-c56 d3e-d44 d46-d48 e31
    e34-e3a e47-e4e eb1 eb4-ebc ec8-ecd
    """
)
"""Combining marks that the source knows."""

_SYMBOLS = _members(
    """
    a1 a6-a9 ac ae-b1 b4 b6-b8 bf d7 f7 37e 387 589 5be 5c0 5c3 5c6 5f3-5f4 600-603 606-60a 60c 614 61b 61e-61f 66a 66d 6d4
    700-70d 7f6-7f8 964-965 e4f 1fbd 2016-2017 2020-2023 2030-2038 203b 203e-2042 207c-207e 208c-208e 2100-2101 2103-2106
    2108-2109 2114 2116-2118 211e-2123 2125 2127 2129 212e 213a-213b 2140-2144 214a-214d 214f 2190-2bff 3002 3012 30fb ff01-ff0f
    ff1a-ff20 ff3b-ff40 ff5b-ff65
    """
)
"""Symbols that are a token each."""


_NOT_YET_DIGITS = _members("de6-def a9f0-a9f9")

_STAND_INS = {
    "λ": "\u1885 \u1886",
    "–": "\u0096 \u0097 \u2013 \u2014 \u2015",
    "٫": "\u066b \u066c",
    "⁺": "\u207a \u207b \u208a \u208b",
    "²": "\u00b2 \u00b3 \u00b9 \u2070 \u2074 \u2075 \u2076 \u2077 \u2078 \u2079",
    "₀": "\u2080 \u2081 \u2082 \u2083 \u2084 \u2085 \u2086 \u2087 \u2088 \u2089",
    "⁄": "\u2044",
    "½": "\u00bc \u00bd \u00be \u2153 \u2154 \u2155 \u2156 \u2157 \u2158 \u2159 \u215a \u215b \u215c \u215d \u215e",
    "€": "\u0080 \u00a2 \u00a3 \u00a4 \u00a5 \u060b \u0e3f \u20a0 \u20a4 \u20ac \uffe0 \uffe1 \uffe5 \uffe6",
    "\u00ad": "\u00ad",
    "’": "\u0092 \u2019",
    "‘": "\u0091 \u2018 \u201b",
    "“": "\u0093 \u0094 \u00ab \u00bb \u201a \u201c \u201d \u201e \u201f \u2039 \u203a",
    "‐": "\u058a \u2010 \u2011",
    "…": "\u2026",
    "、": "\u3001",
    "\u200b": "\0 \u200b \u200e \u200f \ufeff",
}


class _StandIns(dict[int, str]):
    """From a code point to the character that the rules know it by, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = self._stand_in(code)
        return self[code]

    @staticmethod
    def _stand_in(code: int) -> str:
        character = chr(code)
        if 0x20 <= code < 0x80 or character == "\n":
            return character
        if code in _MARKS:
            return "\u0301"
        if code in _SYMBOLS:
            return "§"
        if character.isdecimal() and code not in _NOT_YET_DIGITS:
            return "٠"
        return "λ" if character.isalpha() and code not in _NOT_YET_LETTERS else "\u0001"


_TABLE = _StandIns({ord(one): key for key, group in _STAND_INS.items() for one in group.split(" ")})


def shadow(text: str) -> str:
    """The text in the rules' alphabet, one stand-in a character."""
    return text if text.isascii() and text.isprintable() else text.translate(_TABLE)
