"""How words are chosen: every way of decoding, by the name a config gives it. All return words and maps together.

caption.py  what a caption is      captioner.py  photos in, captions out
beam.py     beam search, greedy    rules.py      ranking captions of different lengths
tape.py     what each step saw, read back
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.search.beam import BeamSearch, Greedy
from captioner.search.caption import Caption
from captioner.search.captioner import Captioner, Search

KINDS: dict[str, Callable[..., Search]] = {
    "greedy": Greedy,
    "beam": BeamSearch,
}

__all__ = ["KINDS", "Caption", "Captioner", "Search"]
