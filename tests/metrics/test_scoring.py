"""Every score of one system, its intervals, and the differences of two systems."""

from __future__ import annotations

import pytest

from captioner.data.instances import Instance, Instances
from captioner.errors import UserError
from captioner.metrics import SystemScorer
from captioner.metrics.protocol import GROUPS

REFERENCES = {1: ["a dog on a couch"], 2: ["a red train", "two trains"], 3: ["a man waits"]}
CAPTIONS = {1: "a dog and a cat", 2: "a train", 3: "a man waits"}
OTHERS = {1: "a dog on a couch", 2: "a man", 3: "a man man with a"}
INSTANCES = Instances(["dog", "cat", "train", "person"], {1: [Instance("dog")], 2: [], 3: []})
SCORER = SystemScorer(REFERENCES, "ptb", {7: ["A train.", "a man"]}, INSTANCES)
WITHOUT_INTERVAL = {"words used", "BLEU-4 nltk"}
ABSENT = ("METEOR", "SPICE", "CLIPScore", "RefCLIPScore")
SEVERAL = {photo: [caption, "something else"] for photo, caption in CAPTIONS.items()}


def test_every_score_is_in_a_table_and_inside_its_interval():
    scored = SCORER(CAPTIONS, SEVERAL)
    assert list(scored.scores) == [name for group in GROUPS for name in group if name not in ABSENT]
    assert scored.intervals.keys() == scored.scores.keys() - WITHOUT_INTERVAL
    for name, (low, high) in scored.intervals.items():
        assert low - 1e-9 <= scored.scores[name] <= high + 1e-9


def test_values_are_those_counted_by_hand():
    scores = SCORER(CAPTIONS).scores
    assert scores["words used"] == 7  # a dog and cat train man waits
    assert scores["mean length"] == pytest.approx((5 + 2 + 3) / 3)
    assert scores["novel"] == pytest.approx(2 / 3)
    assert (scores["CHAIR_i"], scores["CHAIR_s"]) == (1 / 4, 1 / 3)  # the cat, of dog, cat, train, man
    others = SCORER(OTHERS).scores
    assert (others["repeats a word"], others["bad ending"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_the_order_of_captions_does_not_matter():
    scored, mixed = (SCORER(dict(pairs), SEVERAL) for pairs in (CAPTIONS.items(), reversed(CAPTIONS.items())))
    assert scored.scores == mixed.scores
    assert scored.intervals == mixed.intervals


def test_a_system_does_not_differ_from_itself_and_differs_from_another_both_ways():
    ours, theirs = SCORER(CAPTIONS), SCORER(OTHERS)
    assert all(difference == (0, 0, 0) for difference in ours.minus(ours).values())
    forward, backward = ours.minus(theirs), theirs.minus(ours)
    assert forward.keys() == ours.scores.keys() - WITHOUT_INTERVAL
    for name, (difference, low, high) in forward.items():
        assert difference == pytest.approx(ours.scores[name] - theirs.scores[name])
        assert backward[name] == pytest.approx((-difference, -high, -low))


def test_scores_that_one_system_lacks_are_not_compared():
    assert "self-CIDEr" not in SCORER(CAPTIONS, SEVERAL).minus(SCORER(OTHERS))


def test_a_lost_hyphen_does_not_make_a_caption_new():
    """Models write training words, which have lost hyphens; under `ptb` a t-shirt is one word."""
    scorer = SystemScorer({1: ["a t-shirt"], 2: ["a dog"]}, "ptb", {7: ["A T-shirt!"]})
    assert scorer({1: "a t shirt", 2: "a dog"}).scores["novel"] == 0.5


def test_an_error_says_what_does_not_pair_up():
    with pytest.raises(UserError, match="needs a caption, 1 of 3"):
        SCORER({1: "a", 2: "b"})
    with pytest.raises(UserError, match=r"needs the instances of every captioned photo, 1 of 3 have none \(first: 3\)"):
        SystemScorer(REFERENCES, "ptb", None, Instances(["dog"], {1: [], 2: []}))(CAPTIONS)
