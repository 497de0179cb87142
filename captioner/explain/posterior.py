r"""Posterior attention: where did the decoder look, given the word that it wrote?

Attention is computed before the word is chosen. A map that is spread over a dog and a ball belongs to "dog" as much as to "ball". Bayes'
rule tells them apart. With $\alpha_r$ the weight of a region, and $p(w \mid h, r)$ the word's probability if the decoder read region r
alone at this word,

$$p(r \mid w) = \frac{\alpha_r \, p(w \mid h, r)}{\sum_s \alpha_s \, p(w \mid h, s)}.$$

It needs no training and changes no caption. For attention that reads one region, drawn by its weights, this is exact; soft attention reads
the weighted mean of all regions, and the formula explains it as if it had read one. A sentinel keeps its share of the context. With
several heads, all of them read the region, and $\alpha$ is their mean.

Source: posterior attention, Shankar and Sarawagi 2019. Differs: they train with it, and feed it to the next word; here it explains the
words of any trained model with one attention.

Shapes: n captions, T words, R regions, V vocabulary.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from captioner.attention import Attended, Attention, Memory, NoAttention, Query
from captioner.decoders import Decoder
from captioner.explain.replaced_maps import replace_maps, wrapped
from captioner.model import CaptionModel
from captioner.regions import Regions


def has_posterior(model: CaptionModel) -> bool:
    """Whether the model has one attention, whose weights can be replaced: not for a transformer, whose layers attend in turn."""
    attentions = model.decoder.attentions()
    return len(attentions) == 1 and not any(isinstance(module, NoAttention) for module in attentions[0].modules())


@torch.no_grad()
def posterior_maps(model: CaptionModel, regions: Regions, words: Tensor) -> Tensor:
    """(n, T, R): the posterior map of every word of captions (n, T + 1) that begin with the start token, one for each photo. Each has
    sum 1, or 0 where attention is 0 everywhere, as `local_predictive` can be.

    The model is in evaluation mode, and its decoder has one attention. Maps at padding mean nothing.
    """
    decoder, memory = model.decoder, model.remember(regions)
    num_regions = memory.mask.shape[1]
    every = torch.zeros(len(words), num_regions, dtype=torch.long, device=words.device)
    state, maps, alone = decoder.start(memory, 1), [], _copy_of(decoder)
    with replace_maps(alone, _one_region_each), wrapped(alone, _EqualQueries):
        for previous, word in zip(words[:, :-1].split(1, 1), words[:, 1:].split(1, 1), strict=True):  # (n, 1) each
            output, _, _ = alone.step(previous.expand(-1, num_regions), state.select(every), memory)
            log_probs = decoder.vocabulary_logits(output).float().log_softmax(-1)  # (n, R, V)
            of_word = log_probs.gather(-1, word[..., None].expand(-1, num_regions, -1)).squeeze(-1)
            of_word = of_word.masked_fill(~memory.mask, -torch.inf)  # padding, which no kind can read alone
            _, attended, state = decoder.step(previous, state, memory)
            assert attended.weights is not None
            weights = attended.weights[:, 0].float()
            posterior = (weights.log() + of_word).softmax(-1)
            maps.append(posterior.masked_fill((weights == 0).all(-1, keepdim=True), 0.0))
    return torch.stack(maps, 1)


class _EqualQueries(Attention):
    """Attention whose queries of a photo are all equal: it is computed for the first."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.attention = attention
        self.context_size, self.needs_cell = attention.context_size, attention.needs_cell

    def remember(self, regions: Regions) -> Memory:
        return self.attention.remember(regions)

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        given: dict[str, Tensor] = {name: value for name, value in vars(query).items() if value is not None}
        first = Query(**{name: value[:, :1] for name, value in given.items()})
        num_queries = query.hidden.shape[1]
        attended = self.attention(first, memory, need_weights)
        return attended.map(lambda value: value.expand(-1, num_queries, *value.shape[2:]))

    def sum(self, weights: Tensor, memory: Memory) -> Tensor:
        return self.attention.sum(weights, memory)


def _copy_of(decoder: Decoder) -> Decoder:
    """A copy that shares its tensors: other threads go on decoding with the original while the copy's attention is replaced."""
    return copy.deepcopy(decoder, {id(tensor): tensor for tensor in [*decoder.parameters(), *decoder.buffers()]})


def _one_region_each(weights: Tensor, memory: Memory, query: Query) -> Tensor:
    """Query r reads region r alone: (B, R, R), or (B, R, N, R) of heads."""
    one = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    return (one if weights.dim() == 3 else one[:, None]).expand_as(weights)
