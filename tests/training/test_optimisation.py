"""Schedules, clipping, and their limits."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captioner.training.optimisation import (
    OPTIMISERS,
    SCHEDULES,
    Cosine,
    Plateau,
    StepDecay,
    clip_gradients,
    scale_learning_rates,
)


@pytest.mark.parametrize("kind", SCHEDULES)
@given(step=st.integers(0, 500), warm_up=st.integers(0, 50))
def test_a_factor_lies_between_0_and_1_and_warms_up_to_its_height(kind, step, warm_up):
    schedule = SCHEDULES[kind](warm_up=warm_up)
    factor = schedule.factor(step, step / 10, 50)
    assert 0 <= factor <= 1
    if step < warm_up:
        assert factor <= (step + 1) / warm_up


def test_cosine_falls_from_1_to_its_last():
    schedule = Cosine(last=0.1)
    assert schedule.factor(0, 0.0, 5) == pytest.approx(1)
    assert schedule.factor(25, 2.5, 5) == pytest.approx(0.55)
    assert schedule.factor(50, 5.0, 5) == pytest.approx(0.1)


def test_step_decay_falls_after_every_so_many_epochs():
    schedule = StepDecay(every=2, by=0.5)
    assert [schedule.factor(step, step / 10, 99) for step in (0, 19, 20, 39, 40)] == [1, 1, 0.5, 0.5, 0.25]


def test_plateau_falls_only_when_the_score_has_not_risen_for_its_patience_and_remembers_it():
    schedule = Plateau(patience=2, by=0.5)
    for score in (1.0, 2.0, 1.5):
        schedule.after_validation(score)
    assert schedule.factor(0, 1, 1) == 1
    again = Plateau(patience=2, by=0.5)
    again.restore(schedule.state())
    for one in (schedule, again):
        one.after_validation(2.0)
        assert one.factor(0, 1, 1) == 0.5


@pytest.mark.parametrize(("kind", "expected"), [("none", [3.0, -4.0]), ("norm", [0.6, -0.8]), ("value", [1.0, -1.0])])
def test_clipping(kind, expected):
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, -4.0])
    assert clip_gradients([parameter], kind, 1.0).item() == pytest.approx(5)
    assert parameter.grad.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_every_optimiser_goes_downhill(kind):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = OPTIMISERS[kind]([parameter], learning_rate=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        parameter.square().sum().backward()
        optimiser.step()
    assert parameter.abs().max() < 0.5


def test_learning_rates_are_scaled_from_those_the_optimiser_was_made_with():
    optimiser = OPTIMISERS["adam"]([torch.nn.Parameter(torch.zeros(1))], learning_rate=0.5)
    for factor in (0.5, 1.0, 0.25):
        scale_learning_rates(optimiser, factor)
        assert optimiser.param_groups[0]["lr"] == 0.5 * factor


@pytest.mark.parametrize("schedule", [Cosine(), Cosine(warm_up=5), StepDecay(every=2, by=0.5)], ids=str)
def test_the_rate_goes_on_where_it_was_with_batches_of_another_size(schedule):
    """60 steps are 6 epochs of 10; then an epoch has 5 steps."""
    before = schedule.factor(60, 6.0, 12)
    after = [schedule.factor(60 + step, 6 + step / 5, 12) for step in range(31)]
    assert after[0] == before
    assert after == sorted(after, reverse=True)
    assert after[25] > 0
    if isinstance(schedule, Cosine):
        assert after[30] == pytest.approx(0, abs=1e-9)


def test_a_plateau_keeps_its_reductions_where_the_best_score_begins_anew():
    schedule = Plateau(patience=1, by=0.5)
    schedule.restore({"reduced": 2})
    again = Plateau(patience=1, by=0.5)
    again.restore(json.loads(json.dumps(schedule.state())))
    assert again.factor(0, 1, 1) == 0.25
