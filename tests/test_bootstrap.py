"""Paired intervals, against differences whose spread is known."""

from __future__ import annotations

import numpy
import pytest

from captioner.bootstrap import difference_interval, paired_interval, ratio_interval


def test_equal_differences_have_no_spread():
    assert paired_interval([1.0, 2.0, 5.0], [0.5, 1.5, 4.5]) == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_about_two_standard_errors_wide():
    differences = numpy.random.default_rng(1).normal(0.3, 1.0, 400)
    middle, low, high = paired_interval(differences, numpy.zeros(400))
    assert middle == pytest.approx(differences.mean())
    assert high - low == pytest.approx(2 * 1.96 * differences.std() / 20, rel=0.1)


def test_it_says_the_same_twice():
    ours, theirs = numpy.arange(9.0), numpy.arange(9.0)[::-1]
    assert paired_interval(ours, theirs) == paired_interval(ours, theirs)


def test_a_ratio_is_that_of_the_sums_and_its_interval_holds_it():
    found = ratio_interval([0, 0, 1, 2], [1, 2, 3, 4], [2, 2, 2, 4])
    assert found.value == pytest.approx(1)
    assert found.low <= found.value <= found.high
    assert ratio_interval([0, 1], [3, 5]).value == 4
    assert ratio_interval([], []) is None
    assert ratio_interval([0, 1], [1, 1], [0, 0]) is None


def test_items_of_one_photo_swing_together():
    """Ten copies of each photo's item are worth no more than one."""
    values = numpy.random.default_rng(0).normal(0, 1, 50)
    one = ratio_interval(range(50), values)
    ten = ratio_interval(numpy.repeat(numpy.arange(50), 10), numpy.repeat(values, 10))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    alone = ratio_interval(range(500), numpy.repeat(values, 10))
    assert alone.high - alone.low < (one.high - one.low) / 2


def test_a_mean_swings_by_two_standard_errors():
    values = numpy.random.default_rng(1).normal(0.3, 1.0, 400)
    found = ratio_interval(range(400), values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_a_difference_of_groups_is_that_of_their_means():
    found = difference_interval([0, 0, 1, 1], [3.0, 1.0, 5.0, 1.0], [True, False, True, False])
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 4))
    assert difference_interval([0, 1], [1.0, 2.0], [True, True]) is None
