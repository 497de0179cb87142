"""Caption, the result of decoding: words with their probabilities and maps.

Shapes: T words, R regions, N heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from captioner.attention import Memory
from captioner.regions import Boxes, Layout, Placement
from captioner.text.vocabulary import Vocabulary


@dataclass(frozen=True, repr=False, eq=False)
class Caption:
    """A caption with the probabilities and maps of its words. Tensors are on the CPU, in float32."""

    text: str
    words: list[str]  # T words, without the end token
    word_log_probs: Tensor  # (T,) natural logarithms
    end_log_prob: float  # of the end token after the last word, also if the caption was cut at the maximum length
    ended: bool  # False: cut at the maximum length
    weights: Tensor | None  # (T, R) attention of each word to the regions; None without attention
    head_weights: Tensor | None  # (T, N, R)
    sentinel: Tensor | None  # (T,) share given to the language model
    gate: Tensor | None  # (T,) mean of the gate on the context
    attend: Literal["before", "after"]  # whether the state attended before or after it read the previous word
    layout: Layout  # what the R columns are
    placement: Placement | None  # position of the network's view on the photo; None for captions of stored regions
    candidates: list[tuple[str, float]] = field(default_factory=list)  # (text, log-probability), best first
    unlike_training: float | None = None  # distance of the photo; 1 is what 99 % of validation photos do not reach

    @classmethod
    def of(
        cls,
        maps: Mapping[str, Tensor | None],
        words: Sequence[str],
        log_probs: Tensor,
        memory: Memory,
        photo: int,
        vocabulary: Vocabulary,
        attend: Literal["before", "after"],
        placement: Placement | None,
        ended: bool = True,
        candidates: Sequence[tuple[str, float]] = (),
        unlike_training: float | None = None,
    ) -> Caption:
        """The caption of one photo of a batch. Padding among boxes is removed: every photo has its own number of boxes.

        Args:
            maps: of this caption, (T, ...) or longer, by the names of `Attended.maps`.
            words: T words, without the end token.
            log_probs: (T + 1,) or longer, of the words and of the end token.
            memory: the decoder's, of the batch.
            photo: the index of the photo in the batch.
            vocabulary: joins words to a text.
            attend: the decoder's.
            placement: position of the network's view on the photo.
            ended: False: cut at the maximum length.
            candidates: texts and log-probabilities, best first.
            unlike_training: the photo's distance; None if the model does not know it.
        """
        kept = {name: None if values is None else values[: len(words)].float().cpu() for name, values in maps.items()}
        layout = memory.layout.of_photo(photo)
        if isinstance(layout, Boxes):
            real = memory.mask[photo].cpu()
            layout = replace(layout, fractions=layout.fractions.cpu()[real])
            for name in ("weights", "head_weights"):
                values = kept[name]
                kept[name] = None if values is None else values[..., real]
        return cls(
            text=vocabulary.join(list(words)),
            words=list(words),
            word_log_probs=log_probs[: len(words)].float().cpu(),
            end_log_prob=float(log_probs[len(words)]),
            ended=ended,
            attend=attend,
            layout=layout,
            placement=placement,
            candidates=list(candidates),
            unlike_training=unlike_training,
            **kept,  # pyright: ignore[reportArgumentType]
        )

    def __repr__(self) -> str:
        maps = "" if self.weights is None else f", maps {self.weights.shape[0]} x {self.weights.shape[1]}"
        return f"Caption({self.text!r}, confidence {in_digits(self.confidence)}{maps})"

    @property
    def log_prob(self) -> float:
        """The log-probability of the whole caption, including the end token."""
        return float(self.word_log_probs.sum()) + self.end_log_prob

    @property
    def confidence(self) -> float:
        """The geometric mean of the words' probabilities, 0 to 1."""
        return float(self.word_log_probs.mean().exp()) if self.words else 0.0

    @property
    def warning(self) -> str:
        """What to say where the photo is unlike the training photos; empty otherwise, and where the model does not know."""
        if self.unlike_training is None or self.unlike_training <= 1:
            return ""
        return f"unlike the photos that the model was trained on (distance {self.unlike_training:.2f}; 99 % of validation photos: under 1)"

    def as_json(self) -> dict[str, Any]:
        """All fields as plain lists and numbers; the placement as the regions' corners on the photo."""
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
            "unlike_training": self.unlike_training,
            "regions": regions,
            **{name: _as_list(getattr(self, name)) for name in ("weights", "head_weights", "sentinel", "gate")},
            "candidates": [{"caption": text, "log_prob": log_prob} for text, log_prob in self.candidates],
        }


def in_digits(share: float) -> str:
    """A share as it is printed: two decimals, as in 0.93, and two significant digits for small ones, as in 0.0042 and 1.4e-4."""
    if share >= 0.0995:
        return f"{share:.2f}"
    if share >= 0.001 or share <= 0:
        return f"{max(share, 0.0):.2g}"
    digits, exponent = f"{share:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def _as_list(values: Tensor | None) -> list[Any] | None:
    return None if values is None else values.tolist()
