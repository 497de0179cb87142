"""Scheduled sampling."""

from __future__ import annotations

import math

import pytest
import torch

from captioner.data.batches import Batch, pad_words
from captioner.model import CaptionModel
from captioner.text.vocabulary import END, PAD, START
from captioner.training.contract import Totals
from captioner.training.objectives import TeacherForcing, reference_share
from captioner.training.scheduled_sampling import read_scheduled
from tests.helpers import DECODERS, VOCABULARY, make_decoder, make_regions

CAPTIONS = [[[START, 4, 5, 6, END], [START, 7, END]], [[START, 8, 9, END]], [[START, 5, END], [START, 6, END]]]


def test_the_share_of_references_falls_as_the_paper_has_it():
    assert [reference_share("linear", step, 10) for step in (0, 5, 10, 99)] == [1.0, 0.5, 0.0, 0.0]
    assert reference_share("exponential", 10, 10) == pytest.approx(1 / math.e)
    assert reference_share("inverse_sigmoid", 0, 100) == pytest.approx(100 / 101)
    for decay in ("linear", "exponential", "inverse_sigmoid"):
        shares = [reference_share(decay, step, 100) for step in range(0, 100_000, 50)]
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] < 0.01


@pytest.mark.parametrize("kind", DECODERS)
def test_with_references_alone_it_is_teacher_forcing(kind):
    decoder, words = make_decoder(**DECODERS[kind]), pad_words(CAPTIONS)[..., :-1]
    memory, real = decoder.remember(make_regions()), words != PAD
    output, attended = decoder(words, memory)
    scheduled, scheduled_attended = read_scheduled(decoder, words, memory, 1.0, need_weights=True)
    torch.testing.assert_close(scheduled[real], output[real])
    if attended.weights is not None:
        torch.testing.assert_close(scheduled_attended.weights[real], attended.weights[real])


@torch.no_grad()
def test_without_references_it_reads_what_it_draws():
    decoder, words = make_decoder(vocabulary_size=VOCABULARY), pad_words(CAPTIONS)[..., :-1]
    decoder.to_vocabulary.weight.zero_()
    decoder.to_vocabulary.bias.zero_()
    decoder.to_vocabulary.bias[9] = 50  # it would always write this
    memory = decoder.remember(make_regions())
    output, _ = read_scheduled(decoder, words, memory, 0.0, need_weights=False)
    own = torch.where((words == PAD) | (words == START), words, 9)
    expected, _ = decoder(own, memory)
    torch.testing.assert_close(output[words != PAD], expected[words != PAD])


def test_the_objective_follows_the_schedule_in_training_alone():
    batch = Batch(make_regions(), pad_words(CAPTIONS))
    options = {"sampling": "linear", "sampling_steps": 10, "sampling_least": 0.0}
    plain, scheduled = (
        TeacherForcing(CaptionModel(torch.nn.Identity(), make_decoder()), **chosen) for chosen in ({}, options)
    )
    for one in (plain, scheduled):
        with torch.no_grad():
            one.model.decoder.to_vocabulary.weight.mul_(20)
    losses = {}
    for step in (0, 10):
        torch.manual_seed(0)
        losses[step] = scheduled.train()(batch, Totals(words=16, captions=5, photos=3, step=step))[0].item()
    loss = plain.train()(batch, Totals(words=16, captions=5, photos=3))[0].item()
    assert losses[0] == pytest.approx(loss)
    assert losses[10] != pytest.approx(loss)
    assert scheduled.eval()(batch, Totals(words=16, captions=5, photos=3, step=10))[0].item() == pytest.approx(loss)


def test_every_weight_has_a_gradient_in_mixed_precision_too():
    """Older versions of torch kept the casts of weights that had been made for the draws, without a gradient."""
    decoder = make_decoder().float()
    memory = decoder.remember(make_regions().to(dtype=torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = read_scheduled(decoder, torch.tensor([[[START, 5, 6, 4]]] * 3), memory, 0.0, False)
        decoder.vocabulary_logits(output).float().logsumexp(-1).sum().backward()
    assert decoder.to_vocabulary.weight.grad is not None
    assert decoder.embedding.weight.grad is not None
