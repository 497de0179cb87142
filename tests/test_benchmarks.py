"""The variants that benchmarks compare compute the same results."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.textbook import same_layers, textbook_of, torchs_order
from captioner.data.batches import Batch, pad_words
from captioner.model import CaptionModel
from captioner.regions import Regions
from captioner.search import BeamSearch, Limits
from captioner.text.vocabulary import END, START
from captioner.training.contract import Totals
from captioner.training.objectives import TeacherForcing
from tests.helpers import make_decoder, make_regions

CAPTIONS = [[[START, 4, 5, 6, 7, END], [START, 8, END]], [[START, 9, 10, END], [START, 4, END]]]


def test_the_textbook_decoder_takes_the_same_step_as_ours():
    ours = make_decoder(gate="vector", output="state")
    textbook = textbook_of(ours)
    regions, words = make_regions(num_photos=1), pad_words(CAPTIONS)
    features = torch.cat([regions.features, regions.features.flip(1)])
    batch = Batch(Regions.full(features, regions.layout), words)
    loss, _ = TeacherForcing(CaptionModel(nn.Identity(), ours))(
        batch, Totals(words=5 + 2 + 3 + 2, captions=4, photos=2)
    )
    expected = textbook.loss(features, words, torch.tensor([[5, 2], [3, 2]]))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for mine, theirs in same_layers(ours, textbook):
        torch.testing.assert_close(mine.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(torchs_order(ours.from_hidden.weight.grad), textbook.cell.weight_hh.grad)


def test_both_textbook_beam_searches_find_our_captions():
    ours = make_decoder(gate="vector", output="state").eval()
    with torch.no_grad():
        ours.to_vocabulary.weight *= 30  # far from uniform, so that captions end at different lengths
        ours.to_vocabulary.bias[END] += 0.5
    features = torch.cat([make_regions(1, seed).features for seed in range(6)])
    regions = Regions.full(features, make_regions(1).layout)
    found = [traces[0].words.tolist() for traces in BeamSearch(3, limits=Limits(6))(ours, ours.remember(regions))]
    assert len({len(words) for words in found}) > 1
    textbook = textbook_of(ours)
    assert [textbook.beam(photo, 3, 6) for photo in features] == found
    assert textbook.beams(features, 3, 6) == found
