"""Records of attention steps are changed and stacked as a whole, and memories can hold more."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from captioner.attention import Attended, Memory
from tests.helpers import make_attention, make_regions

B, Q, R = 2, 3, 4


def a_step(value: float = 0.0) -> Attended:
    return Attended(torch.full((B, Q, 5), value), torch.full((B, Q, R), value), gate=torch.full((B, Q), value))


def test_map_changes_every_field_that_is_set():
    changed = a_step(1.0).map(lambda tensor: tensor + 1)
    assert {field.name for field in fields(Attended) if getattr(changed, field.name) is not None} == {
        "context",
        "weights",
        "gate",
    }
    assert all((tensor == 2).all() for tensor in (changed.context, changed.weights, changed.gate))


def test_stack_gives_every_field_a_dimension_for_words():
    stacked = Attended.stack([a_step(0.0), a_step(1.0)])
    assert stacked.context.shape == (B, Q, 2, 5)
    assert stacked.weights[0, 0].tolist() == [[0.0] * R, [1.0] * R]
    assert stacked.gate.shape == (B, Q, 2)
    assert stacked.sentinel is None


def test_maps_are_the_fields_of_a_caption():
    assert {name for name, values in a_step().maps().items() if values is not None} == {"weights", "gate"}


@dataclass(frozen=True)
class MemoryOfNames(Memory):
    names: tuple[str, ...] = ()


def test_a_memory_is_extended_with_all_its_fields():
    memory = make_attention("local_predictive").remember(make_regions())
    extended = memory.extended(MemoryOfNames, names=("a", "b"))
    assert extended.names == ("a", "b")
    assert all(getattr(extended, field.name) is getattr(memory, field.name) for field in fields(Memory))
