"""Beam search, in groups that differ where asked for, and greedy decoding, batched over photos.

Shapes: n photos still in the batch, K beams, G groups, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from captioner.attention import Memory
from captioner.decoders import Decoder
from captioner.layers.topk import largest
from captioner.ranges import NonNegative, Size
from captioner.search.hypotheses import Trace
from captioner.search.length_rules import LENGTH_RULES
from captioner.search.limits import USUAL, Limits
from captioner.search.steps import Chosen, Standing, write
from captioner.text.vocabulary import END

LengthRule = Literal["none", "mean", "gnmt"]


@dataclass(frozen=True)
class Greedy:
    """Takes the most probable word at every step: a beam of one.

    Args:
        limits: what a caption may be.
    """

    limits: Limits = USUAL

    def __call__(self, decoder: Decoder, memory: Memory, most: int = 1) -> list[list[Trace]]:
        return write(self, decoder, memory, most)

    def choose(self, log_probs: Tensor, standing: Standing) -> Chosen:
        return _best(log_probs, standing, 1, "none")


@dataclass(frozen=True)
class BeamSearch:
    """Keeps the K best beginnings of a caption at every word. A beam as wide as the tree finds the most probable caption.

    Args:
        beams: K; 1 is greedy decoding.
        length_rule: how captions of different lengths are ranked.
        limits: what a caption may be.
    """

    beams: Size = 3
    length_rule: LengthRule = "none"
    limits: Limits = USUAL

    def __call__(self, decoder: Decoder, memory: Memory, most: int = 1) -> list[list[Trace]]:
        """The best `most` captions of each photo, best first."""
        return write(self, decoder, memory, most)

    def choose(self, log_probs: Tensor, standing: Standing) -> Chosen:
        return _best(log_probs, standing, self.beams, self.length_rule)


@dataclass(frozen=True)
class DiverseBeamSearch:
    r"""Beams in G groups. At every word the groups choose one after another, and each is told off for words that groups before it chose
    for the same photo: $\Theta(y) - \lambda \sum_{h < g} \sum_b [y_t = y^h_{b,t}]$ is what group g takes the best of.

    Source: Vijayakumar et al. 2018, with their Hamming diversity. The penalty counts while choosing a word; scores and
    the final order are those of plain beam search. One group is plain beam search; where lambda is 0 all groups write the same.

    Args:
        beams: K, of all groups together; a multiple of `groups`.
        groups: G.
        diversity: lambda, in natural logarithms of probability.
        length_rule: how captions of different lengths are ranked.
        limits: what a caption may be.
    """

    beams: Size = 6
    groups: Size = 3
    diversity: NonNegative = 0.5
    length_rule: LengthRule = "none"
    limits: Limits = USUAL

    def __post_init__(self):
        if self.beams % self.groups:
            raise ValueError(f"beams should be a multiple of groups, got {self.beams} and {self.groups}")

    def __call__(self, decoder: Decoder, memory: Memory, most: int = 1) -> list[list[Trace]]:
        """The best `most` captions of each photo, of all groups, best first."""
        return write(self, decoder, memory, most)

    def choose(self, log_probs: Tensor, standing: Standing) -> Chosen:
        size = self.beams // self.groups
        chosen: list[Chosen] = []
        told_off = torch.zeros_like(log_probs[:, 0])  # (n, V) how often groups before chose each word
        for group in range(self.groups):
            own = slice(None) if standing.length == 0 else slice(group * size, (group + 1) * size)
            ours = Standing(standing.scores[:, own], standing.ranks[:, own], standing.ended[:, own], standing.length)
            found = _best(log_probs[:, own], ours, size, self.length_rule, self.diversity * told_off)
            told_off = told_off.scatter_add(1, found.words, (found.words >= END).to(told_off))  # not for staying ended
            offset = 0 if standing.length == 0 else group * size
            chosen.append(found._replace(parents=found.parents + offset))
        return Chosen(*(torch.cat(values, 1) for values in zip(*chosen, strict=True)))


def _best(log_probs: Tensor, standing: Standing, beams: int, length_rule: str, penalty: Tensor | None = None) -> Chosen:
    """The best continuations of all beams (n, K, V); a penalty (n, V) on words counts in the choice alone.

    The best of all are among the best `beams` of each beam. Length rules divide, so that they may be applied to a word alone.
    """
    rule, length = LENGTH_RULES[length_rule], standing.length + 1
    judged = log_probs if penalty is None else rule(log_probs, length) - penalty[:, None]
    words = largest(judged, min(beams, log_probs.shape[-1])).indices  # (n, K, k)
    log_probs = log_probs.gather(-1, words)
    totals = standing.scores[..., None] + log_probs
    ranked = rule(totals, length)
    if length_rule != "none":  # a caption that has ended keeps the rank of its own length
        ranked = torch.where(standing.ended[..., None], standing.ranks[..., None] + log_probs, ranked)
    judged = (ranked if penalty is None else ranked - penalty[:, None].expand_as(judged).gather(-1, words)).flatten(1)
    width = judged.shape[1]
    judged, best = functional.pad(judged, (0, max(0, beams - width)), value=-torch.inf).topk(beams)
    best = best.clamp(max=width - 1)
    parents = best // words.shape[-1]
    words, log_probs, scores, ranks = (each.flatten(1).gather(1, best) for each in (words, log_probs, totals, ranked))
    scores, ranks = (each.masked_fill(judged.isinf(), -torch.inf) for each in (scores, ranks))
    return Chosen(words, parents, log_probs, scores, ranks)
