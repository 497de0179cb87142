"""What every decoder takes and returns: one step, many callers.

Shapes: B photos, Q captions of one photo written side by side, K beams, T words, O output, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory
from captioner.regions import Regions


class State(Protocol):
    """What a decoder carries from one word to the next. Its tensors start with (B, Q)."""

    def select(self, beams: Tensor) -> State:
        """The states of captions `beams` (B, K) of each photo, given as indices below Q."""
        ...

    def select_photos(self, photos: Tensor) -> State:
        """The states of some of the photos."""
        ...


class Decoder(nn.Module):
    """Writes captions of photos, word by word.

    `attend` names the state that attends for a word: `before` it has read the previous word, or `after`. Neither state knows the word that
    is about to be written.
    """

    attend: Literal["before", "after"]

    @staticmethod
    def cell_input_size(hidden_size: int, word_size: int, region_size: int) -> int:
        """The width of the input of the LSTM whose state attends, for attention that needs it; 0 without an LSTM."""
        return 0

    def remember(self, regions: Regions) -> Memory:
        """Compute everything that depends on the photo alone."""
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
        """Read the previous words (B, Q) and attend for the next ones: output (B, Q, O), attended, and the new state."""
        raise NotImplementedError

    def forward(self, words: Tensor, memory: Memory, need_weights: bool = True) -> tuple[Tensor, Attended]:
        """Compute the same steps for known words (B, Q, T): output (B, Q, T, O), and attended, whose fields gain a T.

        Output t has read the words up to t, and predicts word t + 1.
        """
        raise NotImplementedError

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        """Unnormalised log-probabilities (..., V) of the next word."""
        raise NotImplementedError
