"""The Transformer's decoder: self-attention among the words so far, then attention to the regions, layer upon layer.

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
from captioner.layers.linear import Linear
from captioner.layers.transformer_blocks import Dropout, feedforward, sinusoids
from captioner.ranges import Fraction, Layers, Size
from captioner.regions import Regions

Past = tuple[Tensor, Tensor]
"""One layer's keys and values of the words read so far, (B, Q, P, H) each."""


@dataclass(frozen=True)
class TransformerState:
    """Every layer's keys and values of the words read so far, so that a new word costs one pass over itself."""

    past: tuple[Past, ...]
    position: int = 0  # index of the word about to be predicted

    def select(self, beams: Tensor) -> TransformerState:
        index = beams[..., None, None]
        return self._map(lambda tensor: tensor.gather(1, index.expand(-1, -1, *tensor.shape[2:])))

    def select_photos(self, photos: Tensor) -> TransformerState:
        return self._map(lambda tensor: tensor[photos])

    def _map(self, change: Callable[[Tensor], Tensor]) -> TransformerState:
        return replace(self, past=tuple((change(keys), change(values)) for keys, values in self.past))


class TransformerDecoder(Decoder):
    r"""Layers that attend to the words so far, then to the regions, then apply a feed-forward network to each word. Words enter as vectors
    plus sinusoids of their position.

    Source: Vaswani et al. 2017, section 3.1 and figure 1 (right); the sinusoids are section 3.5. `norm="post"` normalises after each
    residual sum, as there, $\mathrm{LayerNorm}(x + \mathrm{Sublayer}(x))$; `norm="pre"`, $x + \mathrm{Sublayer}(\mathrm{LayerNorm}(x))$
    with one more norm at the end, needs no warm-up (Xiong et al. 2020).
    Differs: any kind of attention to the regions can be used, with weights of its own in each layer; `multi_head` is the published one.
    The paper's encoder half is `refiner`.

    The maps returned are the last layer's. The state that attends has read the previous word.

    Args:
        attention: any kind that needs no memory cell; the other layers get copies with weights of their own.
        region_size: size of one region's feature (D).
        vocabulary_size: number of words in the vocabulary (V).
        hidden_size: size of every word's vector between layers (H); a multiple of `heads`.
        layers: number of layers.
        heads: number of heads of the self-attention among words.
        feedforward_size: width of the feed-forward network.
        dropout: dropout on the output of every sublayer and on the words.
        norm: where layers normalise: `pre`, before every sublayer; `post`, after every residual sum.

    Raises:
        ValueError: the attention needs the memory cell of an LSTM.
    """

    attend = "after"

    def __init__(
        self,
        attention: Attention,
        region_size: int,
        vocabulary_size: int,
        hidden_size: Size = 512,
        layers: Layers = 3,
        heads: Size = 8,
        feedforward_size: Size = 2048,
        dropout: Fraction = 0.1,
        norm: Literal["pre", "post"] = "pre",
    ):
        super().__init__()
        if attention.needs_cell:
            raise ValueError(
                "this attention needs the memory cell of an LSTM, which a transformer does not have; "
                "choose decoder.kind=lstm with attend: after, or another kind of attention"
            )
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(vocabulary_size, hidden_size)
        attentions = [attention, *(_reset_copy(attention) for _ in range(layers - 1))]
        self.layers = nn.ModuleList(
            TransformerLayer(attention, hidden_size, heads, feedforward_size, dropout, norm) for attention in attentions
        )
        self.last_norm = nn.LayerNorm(hidden_size) if norm == "pre" else nn.Identity()
        self.dropout = Dropout(dropout)
        self.to_vocabulary = Linear(hidden_size, vocabulary_size)
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
        nothing = memory.mean.new_empty(memory.mask.shape[0], num_captions, 0, self.hidden_size, dtype=dtype)
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
        """Read words (B, Q, T) after those of the state: output (B, Q, T, H), the last layer's attended, and the new past."""
        positions = torch.arange(state.position, state.position + words.shape[2], device=words.device)  # (T,)
        vectors = self.embedding(words) * math.sqrt(self.hidden_size)
        hidden = self.dropout(vectors + sinusoids(positions, self.hidden_size).to(vectors.dtype))
        attended, past = [], []
        for layer, layer_past, layer_memory in zip(self.layers, state.past, [*memory.below, memory], strict=True):
            is_last = layer_memory is memory
            hidden, layer_attended, new_past = layer(
                hidden, layer_past, positions, layer_memory, need_weights and is_last
            )
            attended.append(layer_attended)
            past.append(new_past)
        return self.last_norm(hidden), _last_layer(attended), tuple(past)

    def vocabulary_logits(self, output: Tensor) -> Tensor:
        return self.to_vocabulary(output)


class TransformerLayer(nn.Module):
    """Self-attention among words, attention to the regions, and a feed-forward network; each with its residual sum and norm."""

    def __init__(
        self,
        attention: Attention,
        size: int,
        heads: int,
        feedforward_size: int,
        dropout: float,
        norm: Literal["pre", "post"],
    ):
        super().__init__()
        self.pre = norm == "pre"
        self.words = MultiHeadAttention(size, size, heads, size)
        self.look = attention  # the attribute names its tensors in checkpoints
        context_size = attention.context_size
        self.from_context = Linear(context_size, size) if context_size != size else nn.Identity()
        self.feedforward = feedforward(size, feedforward_size, dropout)
        unused = self.pre and isinstance(attention, NoAttention)  # a norm before it would get no gradient
        self.norms = nn.ModuleList(
            nn.Identity() if unused and sublayer == 1 else nn.LayerNorm(size) for sublayer in range(3)
        )
        self.dropout = Dropout(dropout)

    def forward(
        self, hidden: Tensor, past: Past, positions: Tensor, memory: Memory, need_weights: bool
    ) -> tuple[Tensor, Attended, Past]:
        """Read words (B, Q, T, H) after those of the past: their new vectors, attended, and the new past."""
        inputs = self._before(0, hidden)
        keys, values = self.words.to_key(inputs), self.words.to_value(inputs)
        if torch.compiler.is_compiling() or past[0].shape[2]:  # an export takes a past of any length
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        hidden = self._after(0, hidden, self._attend_to_words(inputs, keys, values))
        attended = self._attend_to_regions(self._before(1, hidden), positions, memory, need_weights)
        hidden = self._after(1, hidden, self.from_context(attended.context))
        return self._after(2, hidden, self.feedforward(self._before(2, hidden))), attended, (keys, values)

    def _before(self, sublayer: int, hidden: Tensor) -> Tensor:
        """The input of a sublayer."""
        return self.norms[sublayer](hidden) if self.pre else hidden

    def _after(self, sublayer: int, hidden: Tensor, output: Tensor) -> Tensor:
        """The residual sum of a sublayer's input and output."""
        hidden = hidden + self.dropout(output).to(hidden.dtype)
        return hidden if self.pre else self.norms[sublayer](hidden)

    def _attend_to_words(self, inputs: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Every word attends to itself and to earlier words of its own caption."""
        num_new, num_all = inputs.shape[2], keys.shape[2]
        mask = torch.ones(num_new, num_all, dtype=torch.bool, device=keys.device).tril(num_all - num_new)
        queries, keys, values = (tensor.flatten(0, 1) for tensor in (self.words.from_query(inputs), keys, values))
        context, _ = self.words.attend(queries, keys, values, mask, need_weights=False)
        return context.unflatten(0, inputs.shape[:2])

    def _attend_to_regions(self, hidden: Tensor, positions: Tensor, memory: Memory, need_weights: bool) -> Attended:
        """All words of all captions of a photo attend at once."""
        num_captions, num_words = hidden.shape[1:3]
        query = Query(hidden.flatten(1, 2), positions.repeat(num_captions).expand(hidden.shape[0], -1))
        attended = self.look(query, memory, need_weights)
        return attended.map(lambda value: value.unflatten(1, (num_captions, num_words)))


def _last_layer(layers: list[Attended]) -> Attended:
    """The last layer's record. Log-probabilities and entropies of hard attention are summed: every layer draws a region."""
    last = layers[-1]
    if last.choice_log_prob is None:
        return last
    sums: dict[str, Any] = {
        name: torch.stack([getattr(layer, name) for layer in layers]).sum(0)
        for name in ("choice_log_prob", "choice_entropy")
    }
    return replace(last, **sums)


def _reset_copy(attention: Attention) -> Attention:
    """A copy with newly initialised weights."""
    copied = copy.deepcopy(attention)
    for module in copied.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # pyright: ignore[reportCallIssue]
    return copied
