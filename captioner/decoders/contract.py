"""What every decoder gives and takes: one step, many callers.

Shapes: B photos, Q captions of one photo written side by side, K beams, T words, O output, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory
from captioner.regions import Regions


class State(Protocol):
    """What a decoder carries from one word to the next. Its tensors begin with (B, Q)."""

    def select(self, beams: Tensor) -> State:
        """The states of captions `beams` (B, K) of each photo, each a number below Q."""
        ...

    def select_photos(self, photos: Tensor) -> State:
        """The states of some of the photos."""
        ...


class Decoder(nn.Module):
    """Writes captions of remembered photos word by word.

    `attend` says which state looked for a word: `before`, a state that has not yet read the previous word, or `after`.
    Neither has seen the word it looks for.
    """

    attend: Literal["before", "after"]

    @staticmethod
    def cell_input_size(hidden_size: int, word_size: int, region_size: int) -> int:
        """The width of what the LSTM that looks has just read, for attention that asks; 0 where there is none."""
        return 0

    def remember(self, regions: Regions) -> Memory:
        """Everything that depends on the photo alone, once per photo."""
        raise NotImplementedError

    def attentions(self) -> list[Attention]:
        """The attention modules over the regions, first layer to last."""
        raise NotImplementedError

    def start(self, memory: Memory, num_captions: int) -> Any:
        """The state before the first word of `num_captions` (Q) captions of each photo."""
        raise NotImplementedError

    def step(
        self, words: Tensor, state: Any, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, Any]:
        """Read the previous words (B, Q) and look for the next: output (B, Q, O), attended, the new state."""
        raise NotImplementedError

    def forward(self, words: Tensor, memory: Memory, need_weights: bool = True) -> tuple[Tensor, Attended]:
        """The same step for known words (B, Q, T), all at once: output (B, Q, T, O), and attended, whose fields gain a T.

        Output t has read words up to t, and is meant to predict word t + 1.
        """
        raise NotImplementedError

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        """Unnormalised log-probabilities (..., V) of the next word."""
        raise NotImplementedError
