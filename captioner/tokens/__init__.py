"""coco-caption's words without Java.

ptb.py        captions to words
rules.py      what is a token: a table of regular expressions
alphabet.py   which kind of character each character of Unicode is, as far as the rules can tell
"""

from captioner.tokens.ptb import ptb_words

__all__ = ["ptb_words"]
