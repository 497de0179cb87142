"""Objectives, against explicit sums."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner import builder
from captioner.data.batches import Batch, pad_words
from captioner.model import CaptionModel
from captioner.text.vocabulary import END, PAD, START, Vocabulary
from captioner.training.contract import Totals
from captioner.training.objectives import TeacherForcing, coverage_gap
from tests.helpers import DRAWN, VOCABULARY, make_decoder, make_regions

CAPTIONS = [[[START, 4, 5, 6, END], [START, 7, END]], [[START, 8, 9, END]], [[START, 5, END], [START, 6, END]]]
TOTALS = Totals(words=sum(len(c) - 1 for photo in CAPTIONS for c in photo), captions=5, photos=len(CAPTIONS))


def make_batch(captions=CAPTIONS, photos=slice(None)) -> Batch:
    regions = make_regions()
    return Batch(regions.select(torch.arange(3)[photos]), pad_words(captions[photos]))


def make_objective(**options) -> TeacherForcing:
    return TeacherForcing(CaptionModel(nn.Identity(), make_decoder()), **options)


@torch.no_grad()
def test_cross_entropy_is_the_mean_over_real_words():
    objective, batch = make_objective(), make_batch()
    decoder, memory = objective.model.decoder, objective.model.decoder.remember(batch.photos)
    total = 0.0
    for photo, captions in enumerate(CAPTIONS):
        for caption in captions:
            one = memory.select(torch.tensor([photo]))
            output, _ = decoder(torch.tensor([[caption[:-1]]]), one)
            log_probs = decoder.vocabulary_logits(output).log_softmax(-1)[0, 0]
            total -= sum(float(log_probs[position, word]) for position, word in enumerate(caption[1:]))
    assert objective(batch, TOTALS)[0].item() == pytest.approx(total / TOTALS.words)


@torch.no_grad()
@pytest.mark.parametrize("reduction", ["sum_regions", "mean_regions", "sum_captions"])
def test_each_coverage_reduction_is_what_its_name_says(reduction):
    objective, batch = make_objective(coverage=1.0, coverage_reduction=reduction), make_batch()
    _, attended = objective.model.decoder(batch.inputs, objective.model.decoder.remember(batch.photos))
    total = 0.0
    for photo, captions in enumerate(CAPTIONS):
        for number, caption in enumerate(captions):
            given = attended.weights[photo, number, : len(caption) - 1].sum(0)
            gaps = (1 - given[batch.photos.mask[photo]]) ** 2
            total += float(gaps.sum() if reduction == "sum_regions" else gaps.mean())
    captions = 1 if reduction == "sum_captions" else 5
    assert objective(batch, TOTALS)[1][1].item() == pytest.approx(total / captions)


@pytest.mark.parametrize(
    "options",
    [{}, {"coverage": 1.0}, {"coverage": 1.0, "coverage_reduction": "mean_regions"}, {"label_smoothing": 0.1}],
    ids=str,
)
def test_shares_of_parts_add_up_to_the_whole(options):
    objective = make_objective(**options)
    whole = objective(make_batch(), TOTALS)[0]
    parts = sum(objective(make_batch(photos=part), TOTALS)[0] for part in (slice(0, 1), slice(1, 3)))
    torch.testing.assert_close(parts, whole)


def test_an_objective_is_on_the_device_of_its_model(tmp_path):
    """Processes exchange its buffers too, over the model's device."""
    settings = builder.read(DRAWN)
    model = CaptionModel(nn.Identity(), make_decoder()).to("meta")
    objective = builder.make_objective(settings, model, Vocabulary(["dog"]), [], tmp_path)
    assert {one.device.type for one in [*objective.parameters(), *objective.buffers()]} == {"meta"}


def test_what_stands_in_padding_does_not_matter():
    objective, batch = make_objective(coverage=1.0), make_batch()
    words = torch.nn.functional.pad(batch.words, (0, 3), value=PAD)
    longer = Batch(batch.photos, torch.nn.functional.pad(words, (0, 0, 0, 2), value=PAD))
    torch.testing.assert_close(objective(longer, TOTALS)[0], objective(batch, TOTALS)[0])


def test_label_smoothing_spreads_the_target_evenly():
    smooth, sharp, batch = make_objective(label_smoothing=0.2), make_objective(), make_batch()
    decoder = sharp.model.decoder
    output, _ = decoder(batch.inputs, decoder.remember(batch.photos))
    log_probs = decoder.vocabulary_logits(output).log_softmax(-1)[batch.targets != PAD]
    expected = 0.8 * sharp(batch, TOTALS)[0] - 0.2 * log_probs.sum() / VOCABULARY / TOTALS.words
    torch.testing.assert_close(smooth(batch, TOTALS)[0], expected)


def test_coverage_does_not_ask_for_regions_that_are_not_there():
    weights, region_mask = torch.zeros(1, 1, 2, 3), torch.tensor([[True, True, False]])
    assert coverage_gap(weights, torch.ones(1, 1, 2, dtype=torch.bool), region_mask).tolist() == [[[1, 1, 0]]]
