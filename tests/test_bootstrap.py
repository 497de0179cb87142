"""Paired intervals, against differences whose spread is known."""

from __future__ import annotations

import numpy
import pytest

from captioner.bootstrap import paired_interval


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
