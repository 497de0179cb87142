"""Intervals over photos, against scores of resamples computed one by one, and against values with a known spread."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.metrics import bootstrap
from captioner.metrics.bootstrap import Tally, difference_interval, interval, paired_interval, ratio_interval, resampled
from captioner.metrics.coco_scores import score, tallies
from tests.reference.bootstrap import resampled as resampled_one_by_one

sentences = st.lists(st.sampled_from(["a", "red", "dog", "on", "grass"]), min_size=1, max_size=8).map(" ".join)
photos = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=2, max_size=6)


@settings(max_examples=30)
@given(photos)
def test_a_resample_scores_as_a_corpus_of_the_drawn_photos(corpus):
    """BLEU is computed from sums, not as a mean over photos."""
    captions = {photo: caption for photo, (caption, _) in enumerate(corpus)}
    references = {photo: texts for photo, (_, texts) in enumerate(corpus)}
    ours = resampled(tallies(captions, references, "whitespace"), num_resamples=5, seed=3)
    expected = resampled_one_by_one(captions, references, num_resamples=5, seed=3)
    assert list(ours) == list(expected)
    for name, values in expected.items():
        numpy.testing.assert_allclose(ours[name], values, rtol=1e-9, atol=1e-9)


def test_a_resample_that_draws_every_photo_once_is_the_score():
    captions = {1: "a red dog runs", 2: "the cat", 3: ""}
    references = {1: ["a red dog sits", "a dog"], 2: ["a cat", "x"], 3: ["nothing here"]}
    for tally in tallies(captions, references):
        assert tally.of_all().items() <= score(captions, references).items()


def test_few_draws_at_once_are_the_same_draws(monkeypatch):
    tally = Tally.means({"score": numpy.arange(50.0)})
    expected = resampled([tally])["score"]
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 170)
    numpy.testing.assert_allclose(resampled([tally])["score"], expected)


def test_an_interval_is_about_two_standard_errors_wide():
    values = numpy.random.default_rng(1).normal(0.3, 1.0, 400)
    low, high = interval(resampled([Tally.means({"score": values})])["score"])
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_one_seed_draws_the_same_photos_for_every_system():
    """The difference of two systems that differ by a constant on every photo has no spread, though each score has."""
    ours, theirs = ({"score": numpy.arange(40.0) + more} for more in (3.0, 0.0))
    drawn = [resampled([Tally.means({"other": numpy.ones(40)}), Tally.means(each)])["score"] for each in (ours, theirs)]
    numpy.testing.assert_allclose(drawn[0] - drawn[1], 3.0)
    assert drawn[1].std() > 1


def test_equal_differences_have_no_spread():
    assert paired_interval([1.0, 2.0, 5.0], [0.5, 1.5, 4.5]) == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_of_differences_is_about_two_standard_errors_wide():
    differences = numpy.random.default_rng(1).normal(0.3, 1.0, 400)
    middle, low, high = paired_interval(differences, numpy.zeros(400))
    assert middle == pytest.approx(differences.mean())
    assert high - low == pytest.approx(2 * 1.96 * differences.std() / 20, rel=0.1)


def test_the_interval_of_differences_is_that_of_means_of_resamples_one_by_one():
    ours, theirs = numpy.random.default_rng(2).normal(size=(2, 7))
    generator = numpy.random.default_rng(0)
    means = [(ours - theirs)[generator.integers(7, size=7)].mean() for _ in range(2000)]
    expected = ((ours - theirs).mean(), *interval(numpy.array(means)))
    assert paired_interval(ours, theirs) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_interval():
    ours, theirs = numpy.arange(9.0), numpy.arange(9.0)[::-1]
    assert paired_interval(ours, theirs) == paired_interval(ours, theirs)


def test_a_ratio_is_that_of_the_sums_and_its_interval_holds_it():
    found = ratio_interval([0, 0, 1, 2], [1, 2, 3, 4], [2, 2, 2, 4])
    assert found.value == pytest.approx(1)
    assert found.low <= found.value <= found.high
    assert ratio_interval([0, 1], [3, 5]).value == 4
    assert ratio_interval([], []) is None
    assert ratio_interval([0, 1], [1, 1], [0, 0]) is None


def test_items_of_one_photo_are_drawn_together():
    """Ten copies of each photo's item do not narrow the interval."""
    values = numpy.random.default_rng(0).normal(0, 1, 50)
    one = ratio_interval(range(50), values)
    ten = ratio_interval(numpy.repeat(numpy.arange(50), 10), numpy.repeat(values, 10))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    alone = ratio_interval(range(500), numpy.repeat(values, 10))
    assert alone.high - alone.low < (one.high - one.low) / 2


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide():
    values = numpy.random.default_rng(1).normal(0.3, 1.0, 400)
    found = ratio_interval(range(400), values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_a_difference_of_groups_is_that_of_their_means():
    found = difference_interval([0, 0, 1, 1], [3.0, 1.0, 5.0, 1.0], [True, False, True, False])
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 4))
    assert difference_interval([0, 1], [1.0, 2.0], [True, True]) is None
