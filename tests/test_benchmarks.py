"""What is compared in benchmarks computes the same."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.textbook import TextbookDecoder
from captioner.data.batches import Batch, pad_words
from captioner.model import CaptionModel
from captioner.training.objectives import TeacherForcing, Totals
from captioner.vocabulary import END, START
from tests.helpers import QUERY, REGION, SIZE, VOCABULARY, make_decoder, make_regions

CAPTIONS = [[[START, 4, 5, 6, 7, END], [START, 8, END]], [[START, 9, 10, END], [START, 4, END]]]


def test_the_textbook_decoder_takes_the_same_step_as_ours():
    ours = make_decoder(gate="vector", output="state")
    textbook = TextbookDecoder(REGION, VOCABULARY, QUERY, 4, SIZE, dropout=0.0).double()
    score, cell = ours.attention.score, textbook.cell
    order = [0, 1, 3, 2]  # ours: enter, forget, expose, candidate; torch's cell: enter, forget, candidate, expose

    def turned(weight):
        return torch.cat([weight.chunk(4)[part] for part in order])

    with torch.no_grad():
        cell.bias_hh.zero_()
        for mine, theirs in (
            (turned(torch.cat([ours.from_word.weight, ours.from_photo.weight], 1)), cell.weight_ih),
            (turned(ours.from_word.bias), cell.bias_ih),
            (turned(ours.from_hidden.weight), cell.weight_hh),
        ):
            theirs.copy_(mine)
    pairs = [
        (score.from_query, textbook.state_to_key), (score.from_region, textbook.region_to_key), (score.energy, textbook.energy),
        (ours.embedding, textbook.embedding), (ours.to_hidden, textbook.first_hidden), (ours.to_cell, textbook.first_cell),
        (ours.gate, textbook.gate), (ours.to_vocabulary, textbook.to_vocabulary),
    ]  # fmt: skip
    for mine, theirs in pairs:
        theirs.load_state_dict(mine.state_dict())
    regions, words = make_regions(num_photos=1), pad_words(CAPTIONS)
    features = torch.cat([regions.features, regions.features.flip(1)])
    batch = Batch(type(regions).full(features, regions.layout), words)
    loss, _ = TeacherForcing(CaptionModel(nn.Identity(), ours))(batch, Totals(words=5 + 2 + 3 + 2, captions=4))
    expected = textbook.loss(features, words, torch.tensor([[5, 2], [3, 2]]))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for mine, theirs in pairs:
        torch.testing.assert_close(mine.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(turned(ours.from_hidden.weight.grad), cell.weight_hh.grad)
