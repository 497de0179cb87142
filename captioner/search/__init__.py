"""Search for captions: every way of decoding, by the name a config gives it. All return words and maps together.

result.py        Caption, the result
steps.py         the loop over words that all searches run
hypotheses.py    the history of a search, and the captions read from it
beam.py          greedy, beam search, diverse beam search, consensus
consensus.py     how much captions agree with each other
sampling.py      captions drawn at random
limits.py        which words may come next
length_rules.py  how captions of different lengths are ranked

To add one: write a class that meets `Search` in steps.py, then add its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from captioner.search.beam import BeamSearch, ConsensusSearch, DiverseBeamSearch, Greedy
from captioner.search.limits import Limits
from captioner.search.result import Caption
from captioner.search.sampling import Sampling
from captioner.search.steps import Search, draw

KINDS: dict[str, Callable[..., Search]] = {
    "greedy": Greedy,
    "beam": BeamSearch,
    "diverse_beam": DiverseBeamSearch,
    "consensus": ConsensusSearch,
    "sample": Sampling,
}

__all__ = [
    "KINDS",
    "BeamSearch",
    "Caption",
    "ConsensusSearch",
    "DiverseBeamSearch",
    "Greedy",
    "Limits",
    "Sampling",
    "Search",
    "draw",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Names that moved, with a warning."""
        from captioner.moved import earlier_name

        return earlier_name(__name__, name)
