"""`Caption`, the record that decoding returns."""

from __future__ import annotations

import pytest
import torch

from captioner.attention import Attended
from captioner.regions import Boxes, Placement, Regions
from captioner.search import Caption
from captioner.text.vocabulary import Vocabulary
from tests.helpers import REGION, make_attention
from tests.visualize.test_page import make_caption


def test_captions_can_be_compared_and_kept_in_sets():
    one, other = (make_caption("a b", Placement.whole((4, 4))) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_a_caption_of_boxes_keeps_the_real_ones():
    corners = [torch.rand(count, 4, dtype=torch.float64) for count in (4, 2)]
    regions = Regions.of_boxes([torch.rand(count, REGION, dtype=torch.float64) for count in (4, 2)], corners)
    weights, log_probs = torch.rand(5, 4, dtype=torch.float64), torch.tensor([-1.0, -2.0, -3.0, 0.0, 0.0])
    caption = Caption.of(
        Attended(torch.zeros(5, REGION), weights).maps(),
        ["a", "b"],
        log_probs,
        memory=make_attention("soft").remember(regions),
        photo=1,
        vocabulary=Vocabulary(["a", "b"]),
        attend="before",
        placement=None,
    )
    assert caption.text == "a b"
    assert isinstance(caption.layout, Boxes)
    torch.testing.assert_close(caption.layout.fractions, corners[1])
    torch.testing.assert_close(caption.weights, weights[:2, :2].float())
    assert caption.word_log_probs.tolist() == [-1.0, -2.0]
    assert caption.end_log_prob == -3.0
    assert caption.log_prob == pytest.approx(-6.0)
