"""Limits on captions, against an exhaustive search."""

from __future__ import annotations

import itertools

import pytest
import torch

from captioner.attention import Attended
from captioner.decoders import Decoder
from captioner.errors import UserError
from captioner.search import BeamSearch, Greedy, Limits, Sampling
from captioner.text.vocabulary import END, START
from tests.helpers import make_decoder, make_regions

VOCABULARY = 8  # four marks and four words
LIMITS = [
    Limits(3),
    Limits(3, min_length=2),
    Limits(4, no_repeat=1),
    Limits(4, no_repeat=2),
    Limits(4, min_length=3, no_repeat=3),
    Limits(3, bad_endings="forbid", bad_words=(4, 6)),
    Limits(4, min_length=2, no_repeat=1, bad_endings="forbid", bad_words=(5,)),
]


@pytest.fixture
def decoder():
    decoder = make_decoder(vocabulary_size=VOCABULARY)
    with torch.no_grad():
        decoder.to_vocabulary.weight.mul_(20)
    return decoder


def keeps(caption: tuple[int, ...], limits: Limits) -> bool:
    """The limits, written out."""
    sequences = [caption[start : start + limits.no_repeat] for start in range(len(caption) - limits.no_repeat + 1)]
    return (
        limits.min_length <= len(caption) <= limits.max_length
        and (limits.no_repeat == 0 or len(set(sequences)) == len(sequences))
        and (limits.bad_endings == "allow" or caption[-1] not in limits.bad_words)
    )


@torch.no_grad()
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_a_beam_as_wide_as_the_tree_finds_every_caption_that_keeps_the_limits(decoder, limits):
    memory = decoder.remember(make_regions())
    every = [
        caption
        for length in range(1, limits.max_length + 1)
        for caption in itertools.product([4, 5, 6, 7], repeat=length)
        if keeps(caption, limits)
    ]
    for photo, hypotheses in enumerate(BeamSearch(4 ** (limits.max_length + 1), limits=limits)(decoder, memory)):
        scores = {tuple(words.tolist()): score for words, score in hypotheses[0].candidates}
        assert scores.keys() == set(every)
        words = torch.tensor([[[START, *hypotheses[0].words.tolist()]]])
        output, _ = decoder(words, memory.select(torch.tensor([photo])))
        log_probs = decoder.vocabulary_logits(output).log_softmax(-1)[0, 0]
        total = log_probs[torch.arange(words.shape[-1]), [*hypotheses[0].words.tolist(), END]].sum()
        assert hypotheses[0].log_prob == max(scores.values()) == pytest.approx(float(total), abs=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("search", [Greedy, lambda limits: Sampling(50, limits=limits)], ids=["greedy", "sample"])
def test_every_way_of_decoding_keeps_the_limits(decoder, limits, search):
    torch.manual_seed(0)
    for hypotheses in search(limits)(decoder, decoder.remember(make_regions()), max_captions=50):
        assert hypotheses
        assert all(keeps(tuple(hypothesis.words.tolist()), limits) for hypothesis in hypotheses)


@torch.no_grad()
@pytest.mark.parametrize("search", [Greedy, lambda limits: BeamSearch(3, limits=limits)], ids=["greedy", "beam"])
def test_where_limits_leave_no_word_a_caption_ends(decoder, search):
    limits = Limits(9, min_length=7, no_repeat=1)  # there are four words
    for hypotheses in search(limits)(decoder, decoder.remember(make_regions())):
        assert sorted(hypotheses[0].words.tolist()) == [4, 5, 6, 7]
        assert hypotheses[0].log_prob > -torch.inf


def test_limits_that_contradict_each_other_are_an_error():
    with pytest.raises(ValueError, match="min_length should be at most max_length, got 5 and 4"):
        Limits(4, min_length=5)


class WordsByLast(Decoder):
    """The next word depends on the last alone."""

    attend = "after"

    def __init__(self, vocabulary_size: int):
        super().__init__()
        self.table = torch.randn(vocabulary_size, vocabulary_size, generator=torch.Generator().manual_seed(0))

    def start(self, memory, num_captions):
        return make_decoder(vocabulary_size=VOCABULARY).start(memory, num_captions)

    def step(self, words, state, memory, need_weights=True):
        return self.table[words], Attended(torch.zeros(*words.shape, 1), torch.ones(*words.shape, 1)), state

    def vocabulary_logits(self, output):
        return output


def test_beams_without_a_caption_do_not_hide_that_the_others_have_no_word_left():
    """Two words make two captions, fewer than there are beams; then no word is left before the least length."""
    decoder = WordsByLast(6)
    captions = BeamSearch(5, limits=Limits(10, min_length=5, no_repeat=1))(decoder, make_memory())
    assert [sorted(one.words.tolist() for one in of_photo) for of_photo in captions] == [[[4, 5]]] * 3
    candidates = [sorted(words.tolist() for words, _ in of_photo[0].candidates) for of_photo in captions]
    assert candidates == [[[4, 5], [5, 4]]] * 3


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_without_a_word_left_ends_while_others_go_on(seed):
    torch.manual_seed(seed)
    captions = Sampling(3, limits=Limits(12, min_length=12, no_repeat=2))(WordsByLast(6), make_memory(), 3)
    lengths = {len(one.words) for of_photo in captions for one in of_photo}
    assert all(len(of_photo) == 3 for of_photo in captions)
    assert max(lengths) <= 5  # two words have four pairs


def make_memory():
    return make_decoder(vocabulary_size=VOCABULARY).remember(make_regions())


def test_a_search_of_ones_own_that_returns_something_else_is_an_error(decoder):
    class Own(Greedy):
        def choose(self, log_probs, state):
            return log_probs.max(-1)

    with pytest.raises(UserError, match=r"Own\.choose should return Continuations, got max"):
        Own()(decoder, decoder.remember(make_regions()))
