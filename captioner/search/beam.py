"""Greedy decoding, beam search, diverse beam search and consensus, batched over photos.

Shapes: B photos, n photos still in the batch, K beams, G groups, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional

from captioner.errors import UserError
from captioner.ranges import Captions, NonNegative, OneOf
from captioner.search.hypotheses import SearchHistory
from captioner.search.length_rules import LENGTH_RULES
from captioner.search.limits import DEFAULT, Limits
from captioner.search.steps import BeamState, Continuations, Search
from captioner.text.vocabulary import END

LengthRule = Annotated[str, OneOf(LENGTH_RULES)]


@dataclass(frozen=True)
class Greedy(Search):
    """Choose the most probable word at every step: a beam of one.

    Args:
        limits: limits on captions.
    """

    limits: Limits = DEFAULT

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        return _best(log_probs, state, 1, "none")


@dataclass(frozen=True)
class BeamSearch(Search):
    """Keep the best beginnings of a caption at every word, a fixed number of them. A beam as wide as the tree finds the most probable
    caption.

    Args:
        beams: number of beginnings that are kept (K); 1 is greedy decoding.
        length_rule: how captions of different lengths are ranked: by log-probability (`none`), by its mean over words, or divided by the
            length penalty of GNMT.
        limits: limits on captions.
    """

    beams: Captions = 3
    length_rule: LengthRule = "none"
    limits: Limits = DEFAULT

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        return _best(log_probs, state, self.beams, self.length_rule)


@dataclass(frozen=True)
class DiverseBeamSearch(Search):
    r"""Beam search in groups, which choose in turn at every word; each is penalised for words that earlier groups chose for the same
    photo: group g maximises $\Theta(y) - \lambda \sum_{h < g} \sum_b [y_t = y^h_{b,t}]$.

    Source: Vijayakumar et al. 2018, with their Hamming diversity. The penalty affects the choice of words alone; scores and the final
    order are those of beam search. With one group this is beam search; with lambda 0 all groups write the same.

    Args:
        beams: number of beams of all groups together (K); a multiple of `groups`.
        groups: number of groups (G).
        diversity: penalty for each time that an earlier group chose the same word at the same position (lambda), in natural logarithms
            of probability.
        length_rule: how captions of different lengths are ranked: by log-probability (`none`), by its mean over words, or divided by the
            length penalty of GNMT.
        limits: limits on captions.
    """

    beams: Captions = 6
    groups: Captions = 3
    diversity: Annotated[float, Ge(0), Le(1000)] = 0.5
    length_rule: LengthRule = "none"
    limits: Limits = DEFAULT

    def __post_init__(self):
        if self.beams % self.groups:
            raise ValueError(f"beams should be a multiple of groups, got {self.beams} and {self.groups}")

    def choose(self, log_probs: Tensor, state: BeamState) -> Continuations:
        size = self.beams // self.groups
        chosen: list[Continuations] = []
        counts = torch.zeros_like(log_probs[:, 0])  # (n, V) how often earlier groups chose each word
        for group in range(self.groups):
            own = slice(None) if state.length == 0 else slice(group * size, (group + 1) * size)
            own_state = BeamState(state.scores[:, own], state.ranks[:, own], state.ended[:, own], state.length)
            best = _best(log_probs[:, own], own_state, size, self.length_rule, self.diversity * counts)
            # PAD of ended captions, and slots without a caption, are free.
            said = (best.words >= END) & best.scores.isfinite()
            counts = counts.scatter_add(1, best.words, said.to(counts))
            offset = 0 if state.length == 0 else group * size
            chosen.append(best._replace(parents=best.parents + offset))
        return Continuations(*(torch.cat(values, 1) for values in zip(*chosen, strict=True)))


@dataclass(frozen=True)
class ConsensusSearch(BeamSearch):
    r"""Beam search, which then ranks its captions by their agreement with each other: the caption is the one most like all others.

    Caption i is ranked by $\sum_{j \ne i} p_j^\gamma s_{ij}$, the similarity s to the other captions, weighted by a power of their
    probabilities p. The similarity is that of CIDEr-D without its penalty on lengths, and with equal weights for all words: the mean
    over n = 1..4 of the cosine between counts of n-grams, those of i clipped to those of j.

    Source: minimum Bayes risk decoding (Kumar and Byrne 2004, section 2), which chooses the caption of the highest expected score;
    for captions, Devlin et al. 2015, section 3.2, choose among those of similar photos in this way.

    Args:
        beams: number of captions that are compared (K); 1 is greedy decoding.
        length_rule: how beam search ranks captions of different lengths: by log-probability (`none`), by its mean over words, or
            divided by the length penalty of GNMT.
        limits: limits on captions.
        sharpness: exponent of the probabilities (gamma); 0 counts all captions alike.
    """

    beams: Captions = 20
    length_rule: LengthRule = "none"
    limits: Limits = DEFAULT
    sharpness: NonNegative = 0.2

    def rank(self, history: SearchHistory, scores: Tensor, ranks: Tensor) -> Tensor:
        from captioner.search.consensus import agreement  # most commands do without it

        slots = torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1)
        words, _, _ = history.follow_back(slots)
        dead = scores.isinf()
        weights = (self.sharpness * scores.masked_fill(dead, 0)).masked_fill(dead, -torch.inf).softmax(1)
        agreements = [agreement(*photo) for photo in zip(words, weights, strict=True)]
        return torch.stack(agreements).masked_fill(dead, -torch.inf)


def _best(
    log_probs: Tensor, state: BeamState, beams: int, length_rule: str, penalty: Tensor | None = None
) -> Continuations:
    """The best continuations of all beams, given log-probabilities (n, K, V); a penalty (n, V) on words affects the choice alone.

    The best of all are among the best `beams` of each beam. Length rules divide, so that they can be applied to a single word.
    """
    from captioner.layers.topk import largest  # training takes its first steps without it

    length = state.length + 1
    values = log_probs if penalty is None else _ranks(length_rule, log_probs, length) - penalty[:, None]
    words = largest(values, min(beams, log_probs.shape[-1])).indices  # (n, K, k)
    log_probs = log_probs.gather(-1, words)
    totals = state.scores[..., None] + log_probs
    ranks = _ranks(length_rule, totals, length)
    if length_rule != "none":  # a caption that has ended keeps the rank of its own length
        ranks = torch.where(state.ended[..., None], state.ranks[..., None] + log_probs, ranks)
    values = (ranks if penalty is None else ranks - penalty[:, None].expand_as(values).gather(-1, words)).flatten(1)
    width = values.shape[1]
    values, best = functional.pad(values, (0, max(0, beams - width)), value=-torch.inf).topk(beams)
    best = best.clamp(max=width - 1)
    parents = best // words.shape[-1]
    words, log_probs, totals, ranks = (
        tensor.flatten(1).gather(1, best) for tensor in (words, log_probs, totals, ranks)
    )
    scores, ranks = (tensor.masked_fill(values.isinf(), -torch.inf) for tensor in (totals, ranks))
    return Continuations(words, parents, log_probs, scores, ranks)


def _ranks(length_rule: str, log_probs: Tensor, length: int) -> Tensor:
    """What captions of so many words, the end token included, are ranked by.

    Raises:
        UserError: the rule, which may be a user's own, returns something else.
    """
    ranks = LENGTH_RULES[length_rule](log_probs, length)
    if not isinstance(ranks, Tensor) or ranks.shape != log_probs.shape:
        raise UserError(
            f"search.length_rule={length_rule} should return ranks {tuple(log_probs.shape)}, got "
            f"{tuple(ranks.shape) if isinstance(ranks, Tensor) else type(ranks).__name__}; change its function"
        )
    return ranks
