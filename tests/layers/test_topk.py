"""The largest values, against torch's own search."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from captioner.layers.topk import largest


@given(st.integers(1, 700), st.integers(1, 12), st.integers(0, 10_000), st.booleans())
def test_the_largest_values_are_those_of_topk(size, count, seed, mostly_impossible):
    generator, count = torch.Generator().manual_seed(seed), min(size, count)
    values = torch.rand(2, 3, size, generator=generator)
    if mostly_impossible:
        values[values < 0.99] = -torch.inf
    best, expected = largest(values, count), values.topk(count)
    assert torch.equal(best.values, expected.values)
    assert torch.equal(values.gather(-1, best.indices), best.values)
    assert all(len(set(indices)) == count for indices in best.indices.flatten(0, 1).tolist())
