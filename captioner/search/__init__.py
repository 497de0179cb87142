"""How words are chosen: every way of decoding, by the name a config gives it. All return words and maps together.

caption.py   what a caption is                     captioner.py  photos in, captions out
beam.py      greedy, beam search, diverse beams    sampling.py   drawn by chance
limits.py    which words may come next             rules.py      ranking captions of different lengths
steps.py     word by word, for all of them         tape.py       what each step saw, read back
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.search.beam import BeamSearch, DiverseBeamSearch, Greedy
from captioner.search.limits import Limits
from captioner.search.result import Caption
from captioner.search.sampling import Sampling
from captioner.search.steps import Search, draw

KINDS: dict[str, Callable[..., Search]] = {
    "greedy": Greedy,
    "beam": BeamSearch,
    "diverse_beam": DiverseBeamSearch,
    "sample": Sampling,
}

__all__ = [
    "KINDS",
    "BeamSearch",
    "Caption",
    "DiverseBeamSearch",
    "Greedy",
    "Limits",
    "Sampling",
    "Search",
    "draw",
]
