"""wip"""

from __future__ import annotations

import re

from captioner.tokens.alphabet import shadow
from captioner.tokens.rules import EXPRESSIONS

PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_QUOTES = str.maketrans(
    {
        **dict.fromkeys("\u0091\u2018\u201b\u2039", "`"),
        **dict.fromkeys("\u0092\u2019\u203a", "'"),
        **dict.fromkeys("\u0093\u201c\u00ab", "``"),
        **dict.fromkeys("\u0094\u201d\u00bb", "''"),
        '"': "''",
    }
)
_CURRENCY = str.maketrans({"\u00a2": "cents", "\u00a3": "#", **dict.fromkeys("\u0080\u00a4\u20a0\u20ac", "$")})
_FRACTIONS = {"\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})
_PARENS = str.maketrans({"(": "-lrb-", ")": "-rrb-"})


def _entity(t):
    return re.sub("&amp;", "&", t, flags=re.I)


WHAT = {
    "plain": lambda t: t,
    "word": lambda t: t.replace("\u00ad", "") or "-",
    "spaces": lambda t: t.replace(" ", "\u00a0"),
    "phone": lambda t: t.replace(" ", "\u00a0").translate(_PARENS),
    "entity": _entity,
    "removed": lambda t: "",
    "skipped": lambda t: "",
    "quotes": lambda t: t.replace("&apos;", "'").replace("&quot;", '"').translate(_QUOTES),
    "fraction": lambda t: _FRACTIONS.get(t, t),
    "currency": lambda t: t.translate(_CURRENCY),
    "acronym": lambda t: t,
    "angle": lambda t: {"&lt;": "<", "&gt;": ">"}.get(t.lower(), t),
    "bracket": lambda t: t.translate(_BRACKETS if len(t) == 1 else _PARENS),
    "dashes": lambda t: "--" if 3 <= len(t) <= 4 else t,
}


def slow(caption):
    text = " ".join(caption.split()) + "\nA "
    sh = shadow(text)
    n = len(sh) - 3
    if len(sh) != len(text):
        text = re.sub("[\U00010000-\U0010ffff]", "\u0001\u0001", text)
    out = []
    i = 0
    while i < n:
        best, end, what = 0, i + 1, "skipped"
        for k, e in EXPRESSIONS:
            m = e.match(sh, i)
            if m and m.end() - i > best:
                best, end, what = m.end() - i, m.end(m.lastindex or 0), k
        t = WHAT[what](text[i:end])
        if t:
            out.append(t.lower())
        i = end
    return [t for t in out if t not in PUNCTUATION]
