"""What every attention takes and returns. Its three steps are score, weigh, sum.

Shapes: B photos, Q captions of one photo written side by side, R regions, D region feature, H decoder state, C context, N heads.
A region's feature, key and value are computed once per photo and never repeated for its Q captions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from captioner.errors import UserError
from captioner.regions import Layout, Regions

_Memory = TypeVar("_Memory", bound="Memory")
_ROUNDING = 0.02  # of sums of weights in half precision


@dataclass(frozen=True)
class Memory:
    """What attention needs of a batch of photos, computed once per photo."""

    keys: Tensor  # (B, R, *) what queries are compared with
    values: Tensor  # (B, R, C) what the weights sum
    mask: Tensor  # (B, R) True = a real region
    mean: Tensor  # (B, D) the mean real region, or the feature of the whole photo, for decoders that start from it
    layout: Layout
    centres: Tensor | None = None  # (1 or B, R, 2) of the regions, for kinds that need them
    below: tuple[Memory, ...] = ()  # of a transformer's other layers
    gates: Tensor | None = None  # (B, G) the photo's share of the gates of a recurrent cell, the same for all words

    @classmethod
    def of(cls, regions: Regions, keys: Tensor, values: Tensor, centres: Tensor | None = None) -> Memory:
        return cls(keys, values, regions.mask, regions.photo(), regions.layout, centres)

    def select(self, photos: Tensor | slice) -> Memory:
        """The memory of some of the photos, given as indices or as a slice; a slice returns a view."""
        centres = self.centres if self.centres is None or len(self.centres) == 1 else self.centres[photos]
        layout, below = self.layout.select(photos), tuple(memory.select(photos) for memory in self.below)
        keys, values = self.keys[photos], self.values[photos]
        gates = None if self.gates is None else self.gates[photos]
        return Memory(keys, values, self.mask[photos], self.mean[photos], layout, centres, below, gates)

    def extended(self, kind: type[_Memory], **more: Any) -> _Memory:
        """This memory as a subclass of `Memory` with more fields."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Memory)}
        return kind(**values, **more)


@dataclass(frozen=True)
class Query:
    """The decoder's side of attention; each kind uses the fields it needs."""

    hidden: Tensor  # (B, Q, H)
    position: Tensor  # (B, Q) index of the word about to be written
    previous_hidden: Tensor | None = None  # (B, Q, H); the last three fields come from LSTMs
    cell: Tensor | None = None  # (B, Q, H)
    cell_input: Tensor | None = None  # (B, Q, *)


@dataclass(frozen=True)
class Attended:
    """The result of one attention step."""

    context: Tensor  # (B, Q, C)
    weights: Tensor | None = None  # (B, Q, R) sums to 1, or to 1 - sentinel; the mean over heads
    head_weights: Tensor | None = None  # (B, Q, N, R)
    sentinel: Tensor | None = None  # (B, Q) share given to the language model
    choice_log_prob: Tensor | None = None  # (B, Q) of the region drawn, for hard attention
    choice_entropy: Tensor | None = None  # (B, Q)
    gate: Tensor | None = None  # (B, Q) mean of the decoder's gate on the context

    def map(self, change: Callable[[Tensor], Tensor]) -> Attended:
        """The record with every tensor changed by the same function."""
        changed: dict[str, Any] = {}
        for field in fields(Attended):
            value = getattr(self, field.name)
            changed[field.name] = None if value is None else change(value)
        return Attended(**changed)

    @classmethod
    def stack(
        cls, steps: Sequence[Attended], join: Callable[[list[Tensor]], Tensor] = lambda tensors: torch.stack(tensors, 2)
    ) -> Attended:
        """One record of T steps: every tensor (B, Q, ...) becomes (B, Q, T, ...). `join` does this for one field."""
        joined: dict[str, Any] = {}
        for field in fields(Attended):
            tensors = [getattr(step, field.name) for step in steps]
            joined[field.name] = None if tensors[0] is None else join(tensors)
        return cls(**joined)

    def maps(self) -> dict[str, Tensor | None]:
        """The fields that a `Caption` keeps, by name."""
        return {name: getattr(self, name) for name in ("weights", "head_weights", "sentinel", "gate")}


class Attention(nn.Module):
    """A kind of attention to regions.

    `context_size` is C, the width of the context that `forward` returns. `needs_cell`: the query must hold an LSTM's memory cell, its
    previous state and its input.
    """

    context_size: int
    needs_cell: bool = False

    def remember(self, regions: Regions) -> Memory:
        """Compute everything that depends on the photo alone."""
        raise NotImplementedError

    def forward(self, query: Query, memory: Memory, need_weights: bool = True) -> Attended:
        """Attend once for every query. `need_weights=False` permits a kind to return no weights."""
        raise NotImplementedError

    def sum(self, weights: Tensor, memory: Memory) -> Tensor:
        """The third step alone: the regions' part of the context (B, Q, C), for weights (B, Q, R), or (B, Q, N, R) of heads."""
        return weights.to(memory.values.dtype) @ memory.values


class Score(nn.Module):
    """A comparison of one query with one region: the first of the three steps."""

    def remember(self, features: Tensor) -> Tensor:
        """Keys (B, R, *) of region features (B, R, D)."""
        raise NotImplementedError

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        """Unnormalised scores (B, Q, R) of states (B, Q, H) against keys (B, R, *)."""
        raise NotImplementedError


def checked(attention: Attention) -> Attention:
    """The attention. If its class is a user's own, its first result is checked: a mistake in it would show only after training, or never.

    Raises:
        UserError: there is no context_size; and, at the first call, the result does not meet the contract.
    """
    name = type(attention).__name__
    if type(attention).__module__.startswith("captioner."):
        return attention
    if not isinstance(getattr(attention, "context_size", None), int):
        raise UserError(f"{name} should have context_size, the width of its contexts, as an int; set it in __init__")
    attention.register_forward_hook(_check, with_kwargs=True)
    return attention


def _check(attention: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any], attended: Any) -> None:
    """Check the first result that has weights, of this attention and of every copy of it."""
    if torch.compiler.is_compiling() or getattr(attention, "_is_checked", False):
        return
    name, given = type(attention).__name__, dict(zip(("query", "memory"), arguments, strict=False)) | options
    query, memory = given["query"], given["memory"]
    if not isinstance(attended, Attended):
        raise UserError(f"{name}.forward should return Attended, got {type(attended).__name__}; change it")
    shape, wanted = tuple(attended.context.shape), (*query.hidden.shape[:2], attention.context_size)
    if shape != wanted:
        raise UserError(f"{name} should return contexts {wanted}, got {shape}; change it, or its context_size")
    if attended.weights is None:
        return
    shape, wanted = tuple(attended.weights.shape), (*query.hidden.shape[:2], memory.mask.shape[1])
    sums = attended.weights.sum(-1) + (0 if attended.sentinel is None else attended.sentinel)
    if shape != wanted or attended.weights.min() < 0 or not sums.max() <= 1 + _ROUNDING:
        raise UserError(
            f"{name} should return weights {wanted} that are not negative and sum to 1 or less, with the sentinel if there is one, got "
            f"{shape} from {attended.weights.min():.2g} on with sums up to {sums.max():.3g}; change its weights"
        )
    attention._is_checked = True  # pyright: ignore[reportArgumentType]
