"""Which words may come next, for every search.

Shapes: n photos, K captions side by side, t words so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from captioner.ranges import Count, Words
from captioner.text.vocabulary import END, PAD, START, UNK


@dataclass(frozen=True)
class Limits:
    """Limits on captions.

    A caption is never empty: the end token is not allowed as the first word. After `max_length` words only the end token is allowed, with
    the probability that the decoder gives it, and the caption's `ended` is False. If the limits leave a photo no word at all, its
    captions end, although this breaks a limit; samples end one by one.

    Probabilities stay the decoder's own: the remaining words are not renormalised.

    Args:
        max_length: maximum number of words, without the end token.
        min_length: minimum number of words.
        no_repeat: length of the word sequences that may not occur twice in a caption, such as 3; 0 for no such limit.
        unknown: whether `<unk>` may be written.
        bad_endings: whether a caption may end with a word such as "a" or "with"; they are listed in `captioner/text/endings.py`.
        bad_words: the indices of those words.
    """

    max_length: Words = 20
    min_length: Words = 1
    no_repeat: Count = 0
    unknown: Literal["forbid", "allow"] = "forbid"
    bad_endings: Literal["forbid", "allow"] = "allow"
    bad_words: Sequence[int] = ()

    def __post_init__(self):
        if self.min_length > self.max_length:
            raise ValueError(
                f"min_length should be at most max_length, got {self.min_length} and {self.max_length}; change one of them"
            )

    def next_words(
        self, logits: Tensor, so_far: Tensor, ended: Tensor, dead: Tensor | None = None, independent: bool = False
    ) -> Tensor:
        """Log-probabilities (n, K, V) of the words that may come next, minus infinity for all others.

        Args:
            logits: (n, K, V).
            so_far: (n, K, t), the words of each caption.
            ended: (n, K); a caption that has ended may only write PAD.
            dead: (n, K), slots without a caption, which have ended too.
            independent: every caption goes on by itself, as a sample does, so that each needs a word; a beam can follow another.
        """
        log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        end = log_probs[..., END].clone()
        if so_far.shape[-1] == self.max_length:
            log_probs = torch.full_like(log_probs, -torch.inf)
            log_probs[..., END] = end
        else:
            self._forbid(log_probs, so_far)
        log_probs += torch.zeros_like(ended, dtype=log_probs.dtype).masked_fill_(ended, -torch.inf)[..., None]
        log_probs[..., PAD].masked_fill_(ended, 0.0)
        stuck = log_probs.amax(-1).isneginf()  # (n, K)
        if not independent:
            stuck = (stuck if dead is None else stuck | dead).all(1, keepdim=True)
        log_probs[..., END] = torch.where(stuck, end, log_probs[..., END])
        return log_probs

    def _forbid(self, log_probs: Tensor, so_far: Tensor) -> None:
        length = so_far.shape[-1]
        never = [PAD, START] + [UNK] * (self.unknown == "forbid") + [END] * (length < self.min_length)
        log_probs[..., never] = -torch.inf
        if self.bad_endings == "forbid" and self.bad_words:
            bad = torch.tensor(self.bad_words, device=so_far.device)
            if length == self.max_length - 1:  # only the end token may follow
                log_probs[..., bad] = -torch.inf
            if length:
                log_probs[..., END].masked_fill_(torch.isin(so_far[..., -1], bad), -torch.inf)
        if 0 < self.no_repeat <= length:
            sequences = so_far.unfold(-1, self.no_repeat, 1)  # (n, K, sequences, words)
            last_words = so_far[..., length - self.no_repeat + 1 :]
            begins_alike = (sequences[..., :-1] == last_words[..., None, :]).all(-1)  # (n, K, sequences)
            repeated = torch.where(begins_alike, sequences[..., -1], PAD)  # PAD is forbidden already
            log_probs.scatter_(-1, repeated, -torch.inf)


DEFAULT = Limits()
