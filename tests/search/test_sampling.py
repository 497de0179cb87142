"""Sampled captions, against the distribution computed by enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captioner.search import Limits, Sampling
from captioner.search.sampling import drawn, likeliest, nucleus
from captioner.text.vocabulary import END, START
from tests.helpers import DECODERS, make_decoder, make_regions

VOCABULARY, WORDS, DRAWS = 7, [4, 5, 6], 4000


def cut(probabilities: dict[int, float], temperature: float, top_k: int, top_p: float) -> dict[int, float]:
    """The likely part of a distribution, written out."""
    warm = {word: value ** (1 / temperature) for word, value in probabilities.items()}
    ranked = sorted(warm, key=lambda word: -warm[word])[: top_k or None]
    total, kept, so_far = sum(warm[word] for word in ranked), [], 0.0
    for word in ranked:
        if so_far < top_p:
            kept.append(word)
        so_far += warm[word] / total
    mass = sum(warm[word] for word in kept)
    return {word: warm[word] / mass for word in kept}


def distribution(decoder, memory, begun: list[int], chance: float, left: int, options) -> dict[tuple[int, ...], float]:
    """The probability of every caption that begins so."""
    if left == 0:
        return {tuple(begun): chance}
    output, _ = decoder(torch.tensor([[[START, *begun]]]), memory)
    shares = decoder.vocabulary_logits(output)[0, 0, -1].softmax(-1)
    allowed = WORDS + [END] * bool(begun)
    chances = {}
    for word, share in cut({word: float(shares[word]) for word in allowed}, **options).items():
        if word == END:
            chances[tuple(begun)] = chance * share
        else:
            chances |= distribution(decoder, memory, [*begun, word], chance * share, left - 1, options)
    return chances


@torch.no_grad()
@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.0, "top_k": 0, "top_p": 1.0},
        {"temperature": 0.5, "top_k": 0, "top_p": 1.0},
        {"temperature": 1.0, "top_k": 2, "top_p": 1.0},
        {"temperature": 1.5, "top_k": 3, "top_p": 0.7},
    ],
    ids=str,
)
def test_samples_follow_the_distribution(kind, options):
    decoder = make_decoder(**DECODERS[kind], vocabulary_size=VOCABULARY)
    decoder.to_vocabulary.weight.mul_(10)
    memory = decoder.remember(make_regions(num_photos=1))
    expected = distribution(decoder, memory, [], 1.0, 2, options)
    torch.manual_seed(0)
    (hypotheses,) = Sampling(DRAWS, **options, limits=Limits(2))(decoder, memory, max_captions=DRAWS)
    counts = dict.fromkeys(expected, 0)
    for hypothesis in hypotheses:
        counts[tuple(hypothesis.words.tolist())] += 1  # a caption that cannot be is a KeyError
    assert sum(counts.values()) == DRAWS
    chi_square = sum((counts[caption] - DRAWS * share) ** 2 / (DRAWS * share) for caption, share in expected.items())
    freedom = len(expected) - 1
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom) + 4


@given(st.lists(st.floats(-20, 5), min_size=2, max_size=9), st.integers(1, 9), st.floats(0.01, 1.0))
def test_what_is_kept_is_the_likely_part(logits, count, mass):
    log_probs = torch.tensor(logits, dtype=torch.float64).log_softmax(-1)
    kept = likeliest(log_probs, count)
    assert int(kept.isfinite().sum()) == min(count, len(logits))
    assert log_probs[kept.isfinite()].min() >= log_probs[~kept.isfinite()].max() if count < len(logits) else True
    shares = nucleus(log_probs, mass).exp()
    real = shares[shares > 0]
    assert len(real) >= 1
    assert float(real.sum()) >= mass - 1e-9
    assert float(real.sum() - real.min()) < mass + 1e-9  # without the least likely of them it is too little


def test_the_smallest_mass_keeps_the_likeliest_word():
    assert nucleus(torch.tensor([0.2, 0.5, 0.3]).log(), 1e-300).isfinite().tolist() == [False, True, False]


def test_what_is_impossible_is_never_drawn(monkeypatch):
    for uniform in (0.0, 1 - 2**-24):  # the ends of what torch.rand gives
        monkeypatch.setattr(torch, "rand", lambda *size, uniform=uniform, **options: torch.full(size, uniform))
        assert drawn(torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]]), 1).item() == (3 if uniform == 0 else 1)


@torch.no_grad()
def test_a_seed_repeats_samples_and_they_carry_the_decoders_own_log_probabilities():
    decoder = make_decoder(vocabulary_size=VOCABULARY)
    memory, search = decoder.remember(make_regions()), Sampling(5, temperature=0.7, top_k=2, limits=Limits(4))
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        runs.append(
            [
                [hypothesis.words.tolist() for hypothesis in hypotheses]
                for hypotheses in search(decoder, memory, max_captions=5)
            ]
        )
    assert runs[0] == runs[1] != runs[2]
    for photo, hypotheses in enumerate(search(decoder, memory, max_captions=5)):
        assert [hypothesis.log_prob for hypothesis in hypotheses] == sorted(
            (hypothesis.log_prob for hypothesis in hypotheses), reverse=True
        )
        for hypothesis in hypotheses:
            words = torch.tensor([[[START, *hypothesis.words.tolist()]]])
            output, _ = decoder(words, memory.select(torch.tensor([photo])))
            log_probs = decoder.vocabulary_logits(output).log_softmax(-1)[0, 0].float()
            own = log_probs[torch.arange(len(hypothesis.words)), hypothesis.words]
            torch.testing.assert_close(hypothesis.log_probs[:-1].float(), own, atol=1e-5, rtol=0)


def test_a_word_is_drawn_where_probabilities_are_not_numbers():
    """The search then stops with an error, or takes nothing of the caption."""
    assert 0 <= drawn(torch.full((1, 5), math.nan), 1).item() < 5
