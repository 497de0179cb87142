"""What decoding returns: a caption and how it came about.

Shapes: T words, R regions, N heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from captioner.regions import Boxes, Layout, Placement


@dataclass(frozen=True, repr=False)
class Caption:
    """A caption and how it came about. Tensors lie on the CPU in float32."""

    text: str
    words: list[str]  # T of them, the end mark not among them
    word_log_probs: Tensor  # (T,) natural logarithms
    end_log_prob: float  # of the end mark after the last word, also where the caption was cut at the longest length
    ended: bool  # the decoder closed the caption itself
    weights: Tensor | None  # (T, R) where the decoder looked for each word; None where it does not look
    head_weights: Tensor | None  # (T, N, R)
    sentinel: Tensor | None  # (T,) share given to the language model
    gate: Tensor | None  # (T,) mean of the gate on the context
    attend: Literal["before", "after"]  # the state that looked had not yet / had read the previous word
    layout: Layout  # what the R columns are
    placement: Placement | None  # how the network's view lies on the photo; None for captions of ready-made regions
    candidates: list[tuple[str, float]] = field(default_factory=list)  # (text, log-probability), best first

    def __repr__(self) -> str:
        maps = "" if self.weights is None else f", maps {self.weights.shape[0]} x {self.weights.shape[1]}"
        return f"Caption({self.text!r}, confidence {self.confidence:.2f}{maps})"

    @property
    def log_prob(self) -> float:
        """The whole caption's, the end mark's included."""
        return float(self.word_log_probs.sum()) + self.end_log_prob

    @property
    def confidence(self) -> float:
        """The geometric mean of the words' probabilities, 0 to 1."""
        return float(self.word_log_probs.mean().exp()) if self.words else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything but the placement's arithmetic, as plain lists and numbers."""
        regions: dict[str, Any] = (
            {"boxes": self.layout.corners().tolist()}
            if isinstance(self.layout, Boxes)
            else {"rows": self.layout.rows, "columns": self.layout.columns}
        )
        if self.placement is not None:
            regions["corners_on_photo"] = self.placement.corners_on_photo(self.layout).tolist()
            regions["photo_size"] = list(self.placement.photo_size)
        return {
            "caption": self.text,
            "words": self.words,
            "word_log_probs": self.word_log_probs.tolist(),
            "end_log_prob": self.end_log_prob,
            "ended": self.ended,
            "attend": self.attend,
            "regions": regions,
            **{name: _as_list(getattr(self, name)) for name in ("weights", "head_weights", "sentinel", "gate")},
            "candidates": [{"caption": text, "log_prob": log_prob} for text, log_prob in self.candidates],
        }


def real_regions(
    layout: Layout, seen: Mapping[str, Tensor | None], mask: Tensor
) -> tuple[Layout, dict[str, Tensor | None]]:
    """One photo's layout and maps (..., R) without the boxes that a mask (R,) leaves out: a photo has its own number of them."""
    if not isinstance(layout, Boxes):
        return layout, dict(seen)
    of_regions = ("weights", "head_weights")
    kept = {
        name: values if values is None or name not in of_regions else values[..., mask] for name, values in seen.items()
    }
    return Boxes(layout.fractions.cpu()[mask]), kept


def _as_list(values: Tensor | None) -> list[Any] | None:
    return None if values is None else values.tolist()
