"""The running average of weights, against its definition."""

from __future__ import annotations

import torch
from torch import nn

from captioner.training.averaging import WeightAverage


def test_the_average_forgets_at_its_decay_and_faster_at_the_start():
    model = nn.Linear(3, 2)
    average = WeightAverage(model, 0.5)
    wanted = model.weight.detach().clone()
    for step in range(1, 12):
        with torch.no_grad():
            model.weight.add_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.averages["weight"], wanted)


def test_weights_come_back_bit_for_bit():
    model = nn.Linear(3, 2)
    average = WeightAverage(model, 0.9)
    before = model.weight.detach().clone()
    with torch.no_grad():
        average.averages["weight"].mul_(2)
    with average.in_place():
        assert torch.equal(model.weight, 2 * before)
    assert torch.equal(model.weight, before)
    assert torch.equal(average.averages["weight"], 2 * before)


def test_without_a_decay_there_is_nothing_beside_the_weights():
    average = WeightAverage(nn.Linear(3, 2), 0.0)
    average.update(1)
    with average.in_place():
        assert not average.averages
