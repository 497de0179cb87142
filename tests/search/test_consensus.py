"""Consensus decoding against the formula, n-gram by n-gram."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.commands.serve.requests import _InTime
from captioner.search import BeamSearch, ConsensusSearch, Limits, Sampling, consensus
from captioner.search.consensus import agreement
from captioner.search.steps import write
from captioner.text.vocabulary import END, PAD
from tests.helpers import DECODERS, make_decoder, make_regions

CAPTIONS = st.lists(st.lists(st.integers(END + 1, END + 4), max_size=7), min_size=1, max_size=5)


def ngrams(words: list[int], n: int) -> Counter:
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))


def similarity(words: list[int], others: list[int]) -> float:
    total = 0.0
    for n in range(1, 5):
        x, y = ngrams(words, n), ngrams(others, n)
        norms = math.sqrt(sum(count**2 for count in x.values()) * sum(count**2 for count in y.values()))
        total += sum(min(x[gram], y[gram]) * y[gram] for gram in x) / norms if norms else 0.0
    return total / 4


def padded(captions: list[list[int]]) -> torch.Tensor:
    length = max(len(words) for words in captions) + 2
    return torch.tensor([[*words, END, *[PAD] * (length - len(words) - 1)] for words in captions])


@given(CAPTIONS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_agreement_is_the_weighted_similarity_to_the_other_captions(captions, random):
    weights = [random.random() for _ in captions]
    expected = [
        sum(weights[j] * similarity(words, captions[j]) for j in range(len(captions)) if j != i)
        for i, words in enumerate(captions)
    ]
    torch.testing.assert_close(
        agreement(padded(captions), torch.tensor(weights)), torch.tensor(expected, dtype=torch.float32)
    )


def test_many_captions_are_compared_a_few_at_a_time(monkeypatch):
    captions, weights = torch.randint(END, END + 5, (7, 6)), torch.rand(7)
    expected = agreement(captions, weights)
    monkeypatch.setattr(consensus, "_AT_ONCE", 2 * 7 * 6 * 6 + 8)
    torch.testing.assert_close(agreement(captions, weights), expected)


@torch.no_grad()
@pytest.mark.parametrize("name", ["lstm", "transformer-pre"])
def test_captions_are_those_of_beam_search_in_the_order_of_their_agreement(name):
    decoder = make_decoder(**DECODERS[name])
    memory = decoder.remember(make_regions())
    beams = BeamSearch(6, "gnmt", Limits(6))(decoder, memory, max_captions=6)
    ranked = ConsensusSearch(6, "gnmt", Limits(6), sharpness=0.5)(decoder, memory, max_captions=6)
    for before, after in zip(beams, ranked, strict=True):
        assert {tuple(one.words.tolist()) for one in before} == {tuple(one.words.tolist()) for one in after}
        captions = [one.words.tolist() for one in after]
        weights = [math.exp(0.5 * one.log_prob) for one in after]
        agreements = [
            sum(weight * similarity(words, other) for weight, other in zip(weights, captions, strict=True))
            - weights[i] * similarity(words, words)
            for i, words in enumerate(captions)
        ]
        assert all(agreements[i] >= agreements[i + 1] - 1e-6 for i in range(len(agreements) - 1))
        maps = {tuple(one.words.tolist()): one.attended["weights"] for one in before}
        for one in after:
            assert torch.equal(maps[tuple(one.words.tolist())], one.attended["weights"])


@torch.no_grad()
def test_with_one_beam_it_is_greedy():
    decoder = make_decoder("lstm")
    memory = decoder.remember(make_regions())
    greedy = BeamSearch(1, limits=Limits(6))(decoder, memory)
    consensus = ConsensusSearch(1, limits=Limits(6))(decoder, memory)
    assert [one[0].words.tolist() for one in greedy] == [one[0].words.tolist() for one in consensus]


@torch.no_grad()
def test_slots_without_a_caption_are_ranked_last():
    decoder = make_decoder("lstm", vocabulary_size=5)  # four marks and one word: two captions of at most two words
    hypotheses = ConsensusSearch(10, limits=Limits(2))(decoder, decoder.remember(make_regions()), max_captions=10)
    assert [sorted(len(one.words) for one in of_photo) for of_photo in hypotheses] == [[1, 2]] * len(hypotheses)


@torch.no_grad()
def test_the_order_holds_for_every_caller():
    decoder = make_decoder("lstm")
    memory = decoder.remember(make_regions())
    search = ConsensusSearch(8, limits=Limits(6), sharpness=0)

    def words(hypotheses):
        return [[one.words.tolist() for one in of_photo] for of_photo in hypotheses]

    ranked = words(search(decoder, memory, 8))
    assert ranked != words(BeamSearch(8, limits=Limits(6))(decoder, memory, 8))
    assert ranked == words(write(_InTime(search, math.inf), decoder, memory, 8))
    assert ranked == words(write(search, decoder, memory, 8))


def test_all_captions_count_alike_also_beside_slots_without_a_caption():
    class History:
        def follow_back(self, slots):
            return torch.tensor([[[5, 6, 7, 8], [9, 10, 11, 12], [5, 6, 7, 12], [0, 0, 0, 0]]]), None, None

    scores = torch.tensor([[-1.0, -2.0, -3.0, -torch.inf]])
    ranks = ConsensusSearch(4, sharpness=0.0).rank(History(), scores, scores)[0]
    assert ranks[3] == -torch.inf
    torch.testing.assert_close(ranks, ConsensusSearch(4, sharpness=1e-6).rank(History(), scores, scores)[0])


def test_a_search_with_a_deadline_draws_as_the_search_itself():
    assert _InTime(Sampling(3), math.inf).independent
    assert not _InTime(BeamSearch(3), math.inf).independent
