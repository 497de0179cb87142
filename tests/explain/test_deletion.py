"""Insertion and deletion curves of a model whose word depends on a single region: their ends, and the right order against others."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from captioner.errors import UserError
from captioner.explain.deletion import FRACTIONS, Curve, Target, curve_areas, deletion_curves, last_log_probs
from captioner.explain.gradients import gradient_maps, integrated_gradients, signed_integrated_gradients
from captioner.model import CaptionModel
from captioner.regions import Grid, Regions
from captioner.text.vocabulary import START
from tests.explain.test_replaced_maps import NoEncoder, make_model
from tests.helpers import REGION, make_regions

DECISIVE, WORDS = 7, [START, 4, 5]


class OneRegionDecides(nn.Module):
    """The logit of word 5 is the first number of region 7, those of the other words are 0."""

    def __init__(self):
        super().__init__()
        self.any = nn.Parameter(torch.zeros(1))  # says in which precision

    def remember(self, regions):
        return regions

    def forward(self, words, memory, need_weights=True):
        seen = memory.features[:, DECISIVE, :1]  # (B, 1)
        return seen[:, None, None].expand(-1, words.shape[1], words.shape[2], -1), None

    def vocabulary_logits(self, output):
        return torch.cat([torch.zeros(*output.shape[:-1], 5), output], -1)


@pytest.fixture
def toy() -> CaptionModel:
    return CaptionModel(NoEncoder(), OneRegionDecides())


def toy_regions(num_photos: int = 1) -> Regions:
    features = torch.rand(num_photos, 20, 3, generator=torch.Generator().manual_seed(0))
    features[:, DECISIVE, 0] = 6.0
    return Regions.full(features, Grid(4, 5))


PERFECT = torch.eye(20)[DECISIVE]
LAST = 1 - PERFECT


def toy_curves(toy, **maps) -> dict[str, Curve]:
    return deletion_curves(toy, toy_regions(), Target(0, WORDS), maps, torch.zeros(3))


def test_curves_lead_from_the_whole_photo_to_none_and_back(toy):
    found = toy_curves(toy, perfect=PERFECT, any=torch.rand(20))
    nothing = -torch.log(torch.tensor(6.0)).item()
    whole = last_log_probs(toy, toy_regions(), torch.tensor([WORDS])).item()
    for curve in found.values():
        assert (curve.deletion[0].item(), curve.deletion[-1].item()) == pytest.approx((whole, nothing))
        assert (curve.insertion[0].item(), curve.insertion[-1].item()) == pytest.approx((nothing, whole))


def test_a_feature_of_the_whole_photo_is_never_deleted():
    class WholeDecides(OneRegionDecides):
        def forward(self, words, memory, need_weights=True):
            return memory.photo()[:, None, None, :1].expand(-1, words.shape[1], words.shape[2], -1), None

    regions = replace(toy_regions(), whole=torch.full((1, 5), 6.0))
    model = CaptionModel(NoEncoder(), WholeDecides())
    (curve,) = deletion_curves(model, regions, Target(0, WORDS), {"any": torch.rand(20)}, torch.zeros(3)).values()
    assert curve.deletion.unique().tolist() == curve.insertion.unique().tolist()
    assert curve.deletion[0].item() == pytest.approx(last_log_probs(model, regions, torch.tensor([WORDS])).item())


def test_the_right_order_deletes_and_inserts_the_word_first(toy):
    found = toy_curves(toy, perfect=PERFECT, last=LAST)
    perfect, last = curve_areas([found["perfect"]]), curve_areas([found["last"]])
    first = FRACTIONS[1]
    assert perfect.deletion.value == pytest.approx(first / 2)  # one region of twenty: gone after the first step
    assert perfect.insertion.value == pytest.approx(1 - first / 2)
    assert last.insertion.value == pytest.approx((1 - FRACTIONS[-2]) / 2)
    assert last.gap.value < -0.7
    assert (perfect.num_words, perfect.gap.low) == (1, perfect.gap.high)


def test_random_orders_have_no_gap(toy):
    generator = torch.Generator().manual_seed(1)
    found = [toy_curves(toy, random=torch.rand(20, generator=generator))["random"] for _ in range(150)]
    many = [replace(curve, photo=photo) for photo, curve in enumerate(found)]
    assert curve_areas(many).gap.low < 0 < curve_areas(many).gap.high


def test_regions_that_tie_come_in_random_order(toy):
    """A sparse map has many zeros; in the order of the regions, the photo's first rows would come first."""
    found = [
        deletion_curves(toy, toy_regions(), Target(photo, WORDS), {"zeros": torch.zeros(20)}, torch.zeros(3))["zeros"]
        for photo in range(400)
    ]
    assert curve_areas(found).gap.low < 0 < curve_areas(found).gap.high


@pytest.mark.parametrize("num_regions", [4, 7, 49])
def test_a_random_order_has_no_gap_however_soon_a_photo_is_worth_all(num_regions):
    """A random order's curves are each other's mirror image: what is given is what the other has not yet lost."""
    counts = (torch.tensor(FRACTIONS) * num_regions).round()
    shares = (counts / num_regions).double()
    worth = 1 - torch.exp(-shares / 0.1)
    expected = Curve(0, worth.flip(0), worth, shares)
    torch.testing.assert_close(shares, (1 - shares).flip(0))
    assert curve_areas([expected]).gap.value == pytest.approx(0, abs=1e-6)


def test_words_that_the_photo_makes_no_likelier_have_no_areas():
    level = torch.zeros(len(FRACTIONS), dtype=torch.float64)
    assert curve_areas([Curve(0, level, level, level)]).gap is None
    assert curve_areas([]).gap is None


def test_padded_regions_are_neither_deleted_nor_inserted():
    model, regions = make_model("lstm"), make_regions().select(torch.tensor([2]))  # 4 of 6 are real
    other = Regions(regions.features.masked_fill(~regions.mask[..., None], 9.0), regions.mask, regions.layout)
    found = [
        deletion_curves(
            model,
            given,
            Target(0, WORDS),
            {"map": torch.rand(6, generator=torch.Generator().manual_seed(2))},
            torch.zeros(REGION),
        )
        for given in (regions, other)
    ]
    torch.testing.assert_close(found[0]["map"].deletion, found[1]["map"].deletion)


def test_gradients_point_at_the_region_that_decides(toy):
    regions, words = toy_regions(2), torch.tensor([WORDS] * 2)
    found = gradient_maps(toy, regions, words)
    assert found["gradient x input"].argmax(1).tolist() == [DECISIVE] * 2
    assert (found["gradient x input"].count_nonzero(1) == 1).all()
    assert (
        found["Grad-CAM"].argmax(1).tolist() == [DECISIVE] * 2
    )  # the channel of the word, and the region that has most of it


def test_gradient_x_input_of_a_line_is_what_each_region_brings():
    class Line(OneRegionDecides):
        def forward(self, words, memory, need_weights=True):
            seen = (memory.features * torch.arange(1.0, 21.0)[:, None]).sum((1, 2))
            return seen[:, None, None, None].expand(-1, words.shape[1], words.shape[2], 1), None

        def vocabulary_logits(self, output):
            return torch.cat(
                [torch.full((*output.shape[:-1], 1), 1e4), output], -1
            )  # so large that the softmax is a line

    regions = toy_regions()
    found = gradient_maps(CaptionModel(NoEncoder(), Line()), regions, torch.tensor([[START, 1]]))
    torch.testing.assert_close(found["gradient x input"], (regions.features * torch.arange(1.0, 21.0)[:, None]).sum(-1))


@pytest.mark.parametrize("form", ["lstm", "lstm-after", "transformer-pre"])
def test_integrated_gradients_add_up_to_what_the_photo_is_worth(form):
    pytest.importorskip("captum")
    model, regions = make_model(form).requires_grad_(False), make_regions()
    words, empty = torch.tensor([WORDS] * 3), torch.zeros(REGION, dtype=torch.float64)
    blank = Regions(torch.zeros_like(regions.features), regions.mask, regions.layout)
    worth = last_log_probs(model, regions, words) - last_log_probs(model, blank, words)
    found = signed_integrated_gradients(model, regions, words, empty)
    torch.testing.assert_close(found.sum(1).double(), worth.double(), rtol=1e-3, atol=1e-3)
    assert (found.masked_select(~regions.mask) == 0).all()
    assert (integrated_gradients(model, regions, words, empty) >= 0).all()


def test_gradients_are_taken_where_none_are_wanted(toy):
    words = torch.tensor([WORDS])
    expected = gradient_maps(toy, toy_regions(), words)
    with torch.no_grad():
        found = gradient_maps(toy, toy_regions(), words)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_without_captum_the_error_says_what_to_install(monkeypatch, toy):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[explain\]'"):
        integrated_gradients(toy, toy_regions(), torch.tensor([WORDS]), torch.zeros(3))
