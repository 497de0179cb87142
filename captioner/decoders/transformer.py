"""The Transformer's decoder: self-attention among the words so far, then a look at the regions, layer upon layer.

Shapes: B photos, Q captions of one photo, T words, P words read before, R regions, D region feature, H state, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Attention, Memory, MultiHeadAttention, NoAttention, Query
from captioner.decoders.contract import Decoder
from captioner.layers.aligned_linear import AlignedLinear
from captioner.layers.transformer_blocks import Dropout, feedforward, sinusoids
from captioner.ranges import Fraction, Size
from captioner.regions import Regions

Past = tuple[Tensor, Tensor]
"""One layer's keys and values of the words read so far, (B, Q, P, H) each."""


@dataclass(frozen=True)
class TransformerState:
    """The words read so far, as every layer keeps them: a new word costs one pass over itself."""

    past: tuple[Past, ...]
    position: int = 0  # index of the word about to be predicted

    def select(self, beams: Tensor) -> TransformerState:
        index = beams[..., None, None]
        return self._each(lambda kept: kept.gather(1, index.expand(-1, -1, *kept.shape[2:])))

    def select_photos(self, photos: Tensor) -> TransformerState:
        return self._each(lambda kept: kept[photos])

    def _each(self, change: Callable[[Tensor], Tensor]) -> TransformerState:
        return replace(self, past=tuple((change(keys), change(values)) for keys, values in self.past))


class TransformerDecoder(Decoder):
    r"""Words are vectors plus sinusoids of their place; every layer attends to the words so far, then to the regions, then
    applies a small network to each word.

    Source: Vaswani et al. 2017, section 3.1 and figure 1 (right); the sinusoids are section 3.5. `norm="post"` normalises after each
    residual sum, as there, $\mathrm{LayerNorm}(x + \mathrm{Sublayer}(x))$; `norm="pre"`, $x + \mathrm{Sublayer}(\mathrm{LayerNorm}(x))$
    with one more norm at the end, needs no warm-up (Xiong et al. 2020).
    Differs: the look at the regions is whatever attention a config names, each layer's with weights of its own; `multi_head` is the
    published one. Regions are attended to as they come: the encoder's half of the paper is `refiner`.

    The weights that it returns are the last layer's. A word looks after it has read the previous one.

    Args:
        attention: how to look at the regions; a kind without a memory cell's needs.
        region_size: D, the size of one region's feature.
        vocabulary_size: V.
        hidden_size: H, the size of every word's vector between layers; a multiple of `heads`.
        layers: how many.
        heads: of the self-attention among words.
        feedforward_size: the width of the network that is applied to each word.
        dropout: on every sublayer's result and on the words.
        norm: where layers normalise.
    """

    attend = "after"

    def __init__(
        self,
        attention: Attention,
        region_size: int,
        vocabulary_size: int,
        hidden_size: Size = 512,
        layers: Size = 3,
        heads: Size = 8,
        feedforward_size: Size = 2048,
        dropout: Fraction = 0.1,
        norm: Literal["pre", "post"] = "pre",
    ):
        super().__init__()
        if attention.needs_cell:
            raise ValueError(
                "this attention asks for the memory cell of an LSTM, which a transformer does not have; "
                "choose decoder.kind=lstm with attend: after, or another kind of attention"
            )
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(vocabulary_size, hidden_size)
        looks = [attention, *(_another(attention) for _ in range(layers - 1))]
        self.layers = nn.ModuleList(
            TransformerLayer(look, hidden_size, heads, feedforward_size, dropout, norm) for look in looks
        )
        self.last_norm = nn.LayerNorm(hidden_size) if norm == "pre" else nn.Identity()
        self.dropout = Dropout(dropout)
        self.to_vocabulary = AlignedLinear(hidden_size, vocabulary_size)
        nn.init.normal_(self.embedding.weight, std=hidden_size**-0.5)
        nn.init.normal_(self.to_vocabulary.weight, std=0.02)  # so that the first loss is log V
        nn.init.zeros_(self.to_vocabulary.bias)

    def remember(self, regions: Regions) -> Memory:
        """The last layer's memory, with the other layers' in `below`."""
        *below, last = (attention.remember(regions) for attention in self.attentions())
        return replace(last, below=tuple(below))

    def attentions(self) -> list[Attention]:
        return [cast(TransformerLayer, layer).look for layer in self.layers]

    def start(self, memory: Memory, num_captions: int) -> TransformerState:
        dtype = self.embedding.weight.dtype
        nothing = memory.mean.new_empty(len(memory.mask), num_captions, 0, self.hidden_size, dtype=dtype)
        return TransformerState(((nothing, nothing),) * len(self.layers))

    def step(
        self, words: Tensor, state: TransformerState, memory: Memory, need_weights: bool = True
    ) -> tuple[Tensor, Attended, TransformerState]:
        output, attended, past = self._read(words[..., None], state, memory, need_weights)
        attended = attended.map(lambda value: value.squeeze(2))
        return output.squeeze(2), attended, TransformerState(past, state.position + 1)

    def forward(self, words: Tensor, memory: Memory, need_weights: bool = True) -> tuple[Tensor, Attended]:
        output, attended, _ = self._read(words, self.start(memory, words.shape[1]), memory, need_weights)
        return output, attended

    def _read(
        self, words: Tensor, state: TransformerState, memory: Memory, need_weights: bool
    ) -> tuple[Tensor, Attended, tuple[Past, ...]]:
        """Words (B, Q, T) after those of the state: output (B, Q, T, H), the last layer's look, and all words so far."""
        places = torch.arange(state.position, state.position + words.shape[2], device=words.device)  # (T,)
        vectors = self.embedding(words) * math.sqrt(self.hidden_size)
        hidden = self.dropout(vectors + sinusoids(places, self.hidden_size).to(vectors.dtype))
        looks, past = [], []
        for layer, before, seen in zip(self.layers, state.past, [*memory.below, memory], strict=True):
            hidden, attended, kept = layer(hidden, before, places, seen, need_weights and seen is memory)
            looks.append(attended)
            past.append(kept)
        return self.last_norm(hidden), _together(looks), tuple(past)

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return self.to_vocabulary(output)


class TransformerLayer(nn.Module):
    """Self-attention among words, a look at the regions, and a network for each word; each with its residual sum and norm."""

    def __init__(
        self,
        look: Attention,
        size: int,
        heads: int,
        feedforward_size: int,
        dropout: float,
        norm: Literal["pre", "post"],
    ):
        super().__init__()
        self.pre = norm == "pre"
        self.words = MultiHeadAttention(size, size, heads, size)
        self.look = look
        self.from_context = nn.Linear(look.context_size, size) if look.context_size != size else nn.Identity()
        self.feedforward = feedforward(size, feedforward_size, dropout)
        asks = not isinstance(look, NoAttention)  # what asks nothing would leave its norm without a gradient
        self.norms = nn.ModuleList(
            nn.LayerNorm(size) if asks or place != 1 or not self.pre else nn.Identity() for place in range(3)
        )
        self.dropout = Dropout(dropout)

    def forward(
        self, hidden: Tensor, before: Past, places: Tensor, memory: Memory, need_weights: bool
    ) -> tuple[Tensor, Attended, Past]:
        """Words (B, Q, T, H) after those before them: their new vectors, what they saw, and all words for the next to ask."""
        entering = self._enter(0, hidden)
        keys, values = self.words.to_key(entering), self.words.to_value(entering)
        if before[0].shape[2]:
            keys, values = (torch.cat([kept, new], 2) for kept, new in zip(before, (keys, values), strict=True))
        hidden = self._leave(0, hidden, self._among_words(entering, keys, values))
        attended = self._look(self._enter(1, hidden), places, memory, need_weights)
        hidden = self._leave(1, hidden, self.from_context(attended.context))
        return self._leave(2, hidden, self.feedforward(self._enter(2, hidden))), attended, (keys, values)

    def _enter(self, sublayer: int, hidden: Tensor) -> Tensor:
        return self.norms[sublayer](hidden) if self.pre else hidden

    def _leave(self, sublayer: int, hidden: Tensor, result: Tensor) -> Tensor:
        together = hidden + self.dropout(result).to(hidden.dtype)
        return together if self.pre else self.norms[sublayer](together)

    def _among_words(self, entering: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Every word asks itself and those before it; captions do not see each other."""
        num_new, num_all = entering.shape[2], keys.shape[2]
        seen = torch.ones(num_new, num_all, dtype=torch.bool, device=keys.device).tril(num_all - num_new)
        queries = self.words.from_query(entering)
        queries, keys, values = (each.flatten(0, 1) for each in (queries, keys, values))
        context, _ = self.words.look(queries, keys, values, seen, need_weights=False)
        return context.unflatten(0, entering.shape[:2])

    def _look(self, hidden: Tensor, places: Tensor, memory: Memory, need_weights: bool) -> Attended:
        """All words of all captions of a photo ask at once."""
        num_captions, num_words = hidden.shape[1:3]
        query = Query(hidden.flatten(1, 2), places.repeat(num_captions).expand(len(hidden), -1))
        attended = self.look(query, memory, need_weights)
        return attended.map(lambda value: value.unflatten(1, (num_captions, num_words)))


def _together(looks: list[Attended]) -> Attended:
    """The last layer's look; of draws, those of all layers: the log-probability that all of them fell as they did."""
    last = looks[-1]
    if last.choice_log_prob is None:
        return last
    sums: dict[str, Any] = {
        name: torch.stack([getattr(look, name) for look in looks]).sum(0)
        for name in ("choice_log_prob", "choice_entropy")
    }
    return replace(last, **sums)


def _another(attention: Attention) -> Attention:
    """One like it, with weights of its own."""
    other = copy.deepcopy(attention)
    for module in other.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # pyright: ignore[reportCallIssue]
    return other
