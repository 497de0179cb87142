"""What a score says of its model."""

from __future__ import annotations

import pytest

from captioner.evaluation.protocol import _decoding, _reward

LIMITS = {"max_length": 20, "min_length": 1, "no_repeat": 0, "unknown": "forbid", "bad_endings": "allow"}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"kind": "greedy"}, "greedy"),
        ({"kind": "beam", "beams": 5, "length_rule": "gnmt"}, "beam 5"),
        ({"kind": "beam", "beams": 3, "length_rule": "none", "no_repeat": 3}, "beam 3 no_repeat 3"),
        (
            {"kind": "diverse_beam", "beams": 6, "groups": 3, "diversity": 0.5},
            "diverse_beam beams 6 groups 3 diversity 0.5",
        ),
        (
            {"kind": "sample", "samples": 1, "temperature": 0.7, "top_k": 0, "top_p": 0.9},
            "sample samples 1 temperature 0.7 top_p 0.9",
        ),
    ],
)
def test_a_protocol_names_the_way_of_decoding_and_unusual_limits(search, said):
    assert _decoding(LIMITS | search) == said


def test_a_protocol_names_the_reward_of_training():
    assert _reward({"kind": "self_critical", "cider": 1.0, "bleu": 0.0}) == "1 cider, end mark included"
    assert _reward({"kind": "self_critical", "cider": 1.0, "bleu": 0.5}) == "1 cider + 0.5 bleu, end mark included"
    assert _reward({"kind": "teacher_forcing", "label_smoothing": 0.1}) == ""
