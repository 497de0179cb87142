"""No kind allocates a tensor with a value for every query, region and feature."""

from __future__ import annotations

from inspect import signature

import pytest
import torch

from benchmarks.memory import MadeTensors
from captioner.attention import KINDS, SCORES, Query
from captioner.regions import Grid, Regions
from tests.helpers import takes_score

B, Q, ROWS, D, A = 2, 6, 7, 64, 16
ALL = [(kind, score) for kind in KINDS for score in SCORES if takes_score(kind) or score == "additive"]


def make(part, **more):
    arguments = {"query_size": D, "region_size": D, "cell_input_size": D, "size": A, "heads": 4, **more}
    return part(**{name: value for name, value in arguments.items() if name in signature(part).parameters})


@pytest.mark.parametrize(("kind", "score"), ALL)
@pytest.mark.parametrize("need_weights", [True, False])
def test_nothing_made_is_as_large_as_queries_by_regions_by_features(kind, score, need_weights):
    attention = make(KINDS[kind], **({"score": make(SCORES[score])} if takes_score(kind) else {}))
    regions = Regions.full(torch.randn(B, ROWS**2, D, requires_grad=True), Grid(ROWS, ROWS))
    hidden, cell, previous, read = torch.randn(4, B, Q, D, requires_grad=True)
    query = Query(hidden, torch.zeros(B, Q), previous, cell, read)
    with MadeTensors() as made:
        attention(query, attention.remember(regions), need_weights).context.square().sum().backward()
    assert 0 < made.largest_bytes < 4 * B * Q * ROWS**2 * D
    assert made.peak_bytes >= made.largest_bytes


def test_memory_that_is_given_back_is_not_counted():
    with MadeTensors() as made:
        for _ in range(3):
            torch.ones(1000).add_(1)
        tensor = torch.ones(1000)
        tensor.view(10, 100)[0].add_(1)
    assert made.largest_bytes == 4000
    assert made.peak_bytes < 2 * 4000 + 1000
