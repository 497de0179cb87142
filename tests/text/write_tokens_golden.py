"""Writes tokens_golden.json: captions, and the words that coco-caption's own tokeniser makes of them. Needs Java.

    PYTHONPATH=. python tests/text/write_tokens_golden.py

Every odd word of benchmarks/oddities.py by itself, then in the middle of a caption beside the next two of its kind, then what is written here.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.oddities import ODDITIES, jar_words

PATH = Path(__file__).parent / "tokens_golden.json"

MORE = [
    "It's 5:30 p.m. on Oct. 5 in the U.S. The dog can't wait.",
    "plan b. Their dog",
    "plan b. there",
    "vitamin C. <b> x",
    "no. 5 no. x art. 5 arts. 5 fig.3",
    "Pty. Ltd. PTE. LTD. pte. x PTE. x",
    "ft.a dept.a sq.a etc.a",
    "Calif.Dreaming Miss. miss. MISS. Ore. ore.",
    "rides. . .10-11-12",
    "rides. . . . x",
    "\u2019sno. 7",
    "555 1234 555-1234 x (555) 123 4567",
    "12 1/2 x 12 1/2-inch 1\u20442",
    "http://a.b/\U0001f600) x \U0001f600.com",
    "<a b=\"c d\" e='f'> </a > <!-- x --> < b> <b c=d> <1>",
    "x.[^x= odd <>] face",
    "D'R d'or L'x o'x 0_d's",
    "a,b-c 1.5-inch A.B.-C U.S.-U.K EU-U.S.",
    "A+B a+b R&amp;B AT&AMP;T &QUOT;x&QUOT; &LT;",
    "http://a.b/{c} http://a.b/[c]d",
    "www.a.com/index.php?x=1 a.com/b.com?c www.a.uk/b.c/d.eee!x www.\u1096.TA/\u058a.uhM\u3001\u17e8",
    "a-b.txt x.JPG x.c x.h, x.mp4 x.mp3?",
    "\u0967\u0968.\u0969 \u066b5 5\u066b5 5\u066c5",
    "\ua7d1 \u1885x \u24b6 \u2167 \u212a \u0130",
    "e\u0301 \u0e01\u0e33 \u0915\u094d\u0915 \u0c95\u0ccd",
    "*** \\*\\* ~~ ++ == >>> <<< ___ @@@ ### $$$",
    "",
    " . ",
    ". . .",
    "...",
]


def captions() -> list[str]:
    kinds = [words.split() for words in ODDITIES.values()]
    alone = [word for words in kinds for word in words]
    together = [f"a {' '.join(words[place : place + 3])} here" for words in kinds for place in range(0, len(words), 2)]
    return list(dict.fromkeys(" ".join(caption.split()) for caption in alone + together + MORE))


def main() -> None:
    lines = captions()
    golden = dict(zip(lines, jar_words(line for caption in lines for line in (caption, "A dog"))[::2], strict=True))
    rows = ",\n".join(f"{json.dumps(caption)}: {json.dumps(words)}" for caption, words in golden.items())
    PATH.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
