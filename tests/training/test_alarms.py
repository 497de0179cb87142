"""Each alarm is raised when it should be, and not otherwise."""

from __future__ import annotations

import pytest
import torch

from captioner.errors import UserError
from captioner.training import alarms


def test_identical_captions_are_an_alarm_and_different_ones_are_not():
    assert "8 of 12" in alarms.identical_captions(["the same"] * 8 + ["one", "two", "three", "four"])
    assert alarms.identical_captions([f"caption {number}" for number in range(12)]) is None
    assert alarms.identical_captions(["the same"] * 3) is None


def test_maps_that_stay_are_an_alarm_and_maps_that_move_are_not():
    assert "hardly change" in alarms.frozen_maps(1e-4)
    assert alarms.frozen_maps(0.5) is None
    assert alarms.frozen_maps(None) is None


def test_photos_scaled_to_0_and_1_are_an_alarm():
    assert "scaled" in alarms.dark_photos(torch.randint(0, 2, (2, 3, 4, 4), dtype=torch.uint8))
    assert alarms.dark_photos(torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)) is None


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_stops_training(loss):
    with pytest.raises(UserError, match="step 7"):
        alarms.check_loss(loss, 7)
    alarms.check_loss(1.5, 7)
