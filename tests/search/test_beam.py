"""Beam search against an exhaustive search."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from captioner.builder.schema import read
from captioner.errors import UserError
from captioner.layers import allocation
from captioner.search import BeamSearch, DiverseBeamSearch, Greedy, Limits, Sampling, beam
from captioner.search.length_rules import LENGTH_RULES
from captioner.search.steps import BeamState
from captioner.text.vocabulary import END, START, UNK
from tests.helpers import DECODERS, DRAWN, make_decoder, make_regions

VOCABULARY = 7  # four marks and three words


def best_of(results):
    return [hypotheses[0] for hypotheses in results]


def every_caption(unknown: str, max_length: int):
    words = [4, 5, 6] + [UNK] * (unknown == "allow")
    return [list(caption) for length in range(1, max_length + 1) for caption in itertools.product(words, repeat=length)]


def caption_log_probs(decoder, memory, photo: int, captions: list[list[int]]) -> list[float]:
    """The log-probability of each caption of a photo; captions of one length are read side by side."""
    alone, log_probs = memory.select(torch.tensor([photo])), {}
    for length in {len(caption) for caption in captions}:
        alike = [caption for caption in captions if len(caption) == length]
        output, _ = decoder(torch.tensor([[[START, *caption] for caption in alike]]), alone)
        next_words = torch.tensor([[*caption, END] for caption in alike])[..., None]
        sums = decoder.vocabulary_logits(output).log_softmax(-1)[0].gather(-1, next_words).sum((1, 2))
        log_probs |= {tuple(caption): float(total) for caption, total in zip(alike, sums, strict=True)}
    return [log_probs[tuple(caption)] for caption in captions]


@pytest.mark.parametrize(("kind", "layer"), [("lstm", "from_photo"), ("top_down", "from_mean")])
def test_the_photos_share_of_the_gates_is_computed_once_for_all_words(kind, layer):
    decoder = make_decoder(kind, **({"attend": "after"} if kind == "lstm" else {}))
    calls = []
    getattr(decoder, layer).register_forward_hook(lambda *arguments: calls.append(1))
    with torch.no_grad():
        hypotheses = BeamSearch(3, limits=Limits(6))(decoder, decoder.remember(make_regions()))
    assert max(len(of_photo[0].words) for of_photo in hypotheses) > 1
    assert len(calls) == 1


@pytest.fixture(params=DECODERS)
def small(request):
    """Every decoder, with a vocabulary that can be searched whole."""
    decoder = make_decoder(**DECODERS[request.param], vocabulary_size=VOCABULARY)
    with torch.no_grad():  # unequal words, so that searching is worth it
        decoder.to_vocabulary.weight.mul_(30 if request.param != "transformer-pre" else 60)
    return decoder


@torch.no_grad()
@pytest.mark.parametrize("unknown", ["forbid", "allow"])
@pytest.mark.parametrize("rule", LENGTH_RULES)
def test_a_beam_as_wide_as_the_tree_finds_the_best_caption(small, rule, unknown):
    memory = small.remember(make_regions())
    captions = every_caption(unknown, max_length=3)
    results = BeamSearch(len(captions) * 2, rule, Limits(max_length=3, unknown=unknown))(small, memory)
    for photo, hypothesis in enumerate(best_of(results)):
        log_probs = caption_log_probs(small, memory, photo, captions)
        ranks = [
            float(LENGTH_RULES[rule](torch.tensor(log_prob), len(caption) + 1))
            for caption, log_prob in zip(captions, log_probs, strict=True)
        ]
        best = max(range(len(captions)), key=ranks.__getitem__)
        assert hypothesis.words.tolist() == captions[best]
        assert hypothesis.log_prob == pytest.approx(log_probs[best], abs=1e-4)
        assert len(hypothesis.candidates) == len(captions)


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 2, 3, 5])
def test_a_caption_carries_its_own_log_probabilities_and_maps(small, beams):
    memory = small.remember(make_regions())
    for photo, hypothesis in enumerate(best_of(BeamSearch(beams, limits=Limits(6))(small, memory))):
        words = torch.tensor([[[START, *hypothesis.words.tolist()]]])
        output, attended = small(words, memory.select(torch.tensor([photo])))
        log_probs = small.vocabulary_logits(output).log_softmax(-1)[0, 0]
        length = len(hypothesis.words)
        torch.testing.assert_close(
            hypothesis.log_probs[:-1].double(), log_probs[torch.arange(length), hypothesis.words], atol=1e-5, rtol=0
        )
        assert float(hypothesis.log_probs[-1]) == pytest.approx(float(log_probs[length, END]), abs=1e-5)
        if attended.weights is not None:
            weights = hypothesis.attended["weights"].double()
            torch.testing.assert_close(weights, attended.weights[0, 0, :length], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_beam_of_one_is_greedy(small):
    memory = small.remember(make_regions())
    for photo, hypothesis in enumerate(best_of(Greedy(Limits(5))(small, memory))):
        words, alone = [START], memory.select(torch.tensor([photo]))
        while len(words) <= 5 and words[-1] != END:
            output, _ = small(torch.tensor([[words]]), alone)
            logits = small.vocabulary_logits(output)[0, 0, -1]
            allowed = [4, 5, 6] + [END] * (len(words) > 1)
            words.append(max(allowed, key=lambda word: float(logits[word])))
        assert hypothesis.words.tolist() == [word for word in words if word > END]


@torch.no_grad()
def test_photos_in_a_batch_are_captioned_as_if_alone(small):
    regions = make_regions(num_photos=8, rows=4)
    memory = small.remember(replace(regions, features=10 * regions.features))
    search = BeamSearch(3, limits=Limits(6))
    together = best_of(search(small, memory))
    assert len({len(hypothesis.words) for hypothesis in together}) > 1  # photos leave the batch at different words
    for photo, hypothesis in enumerate(together):
        alone = search(small, memory.select(torch.tensor([photo])))[0][0]
        assert hypothesis.words.tolist() == alone.words.tolist()
        if hypothesis.attended["weights"] is not None:
            torch.testing.assert_close(hypothesis.attended["weights"], alone.attended["weights"])
        assert [words.tolist() for words, _ in hypothesis.candidates] == [
            words.tolist() for words, _ in alone.candidates
        ]


@torch.no_grad()
def test_a_caption_is_never_empty():
    decoder = make_decoder(vocabulary_size=VOCABULARY)
    decoder.to_vocabulary.bias[END] = 50
    assert all(
        len(hypothesis.words) == 1 for hypothesis in best_of(BeamSearch()(decoder, decoder.remember(make_regions())))
    )


@torch.no_grad()
def test_a_caption_cut_at_the_maximum_length_has_not_ended():
    decoder = make_decoder(vocabulary_size=VOCABULARY)
    decoder.to_vocabulary.bias[END] = -50
    for hypothesis in best_of(BeamSearch(limits=Limits(4))(decoder, decoder.remember(make_regions()))):
        assert len(hypothesis.words) == 4
        assert not hypothesis.ended


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 3])
def test_unknown_words_are_written_only_where_allowed(beams):
    decoder = make_decoder(vocabulary_size=VOCABULARY)
    decoder.to_vocabulary.bias[UNK] = 50
    memory = decoder.remember(make_regions())
    forbidden, allowed = (
        BeamSearch(beams, limits=Limits(3, unknown=unknown))(decoder, memory)[0][0] for unknown in ("forbid", "allow")
    )
    assert UNK not in forbidden.words
    assert UNK in allowed.words


@torch.no_grad()
def test_a_decoder_without_attention_has_no_maps():
    decoder = make_decoder(attention="none")
    assert BeamSearch()(decoder, decoder.remember(make_regions()))[0][0].attended["weights"] is None


@torch.no_grad()
def test_candidates_carry_their_own_log_probabilities_and_maps(small):
    memory = small.remember(make_regions())
    for photo, hypotheses in enumerate(BeamSearch(4, limits=Limits(5))(small, memory, max_captions=3)):
        assert len(hypotheses) == 3
        for hypothesis, (words, total) in zip(hypotheses, hypotheses[0].candidates, strict=False):
            assert hypothesis.words.tolist() == words.tolist()
            assert (
                hypothesis.log_prob
                == pytest.approx(total)
                == pytest.approx(caption_log_probs(small, memory, photo, [words.tolist()])[0], abs=1e-4)
            )
            _, attended = small(torch.tensor([[[START, *words.tolist()]]]), memory.select(torch.tensor([photo])))
            if attended.weights is not None:
                weights = hypothesis.attended["weights"].double()
                torch.testing.assert_close(weights, attended.weights[0, 0, : len(words)], atol=1e-5, rtol=0)


@torch.no_grad()
def test_one_group_is_beam_search_and_without_a_penalty_groups_agree(small):
    memory = small.remember(make_regions())
    plain = BeamSearch(4, "gnmt", Limits(5))(small, memory, max_captions=4)
    grouped = DiverseBeamSearch(4, 1, 0.5, "gnmt", Limits(5))(small, memory, max_captions=4)
    assert [[hypothesis.words.tolist() for hypothesis in hypotheses] for hypotheses in plain] == [
        [hypothesis.words.tolist() for hypothesis in hypotheses] for hypotheses in grouped
    ]
    alike = DiverseBeamSearch(4, 2, 0.0, limits=Limits(5))(small, memory, max_captions=4)
    two = BeamSearch(2, limits=Limits(5))(small, memory, max_captions=2)
    for hypotheses, expected in zip(alike, two, strict=True):
        assert [hypothesis.words.tolist() for hypothesis in hypotheses[::2]] == [
            hypothesis.words.tolist() for hypothesis in expected
        ]
        assert [hypothesis.words.tolist() for hypothesis in hypotheses[1::2]] == [
            hypothesis.words.tolist() for hypothesis in expected
        ]


def diverse_beams(decoder, memory, size, groups, diversity, max_length):
    """One photo, word by word, group by group, caption by caption. Vijayakumar et al. 2018, algorithm 1."""
    beams = [[([], 0.0, False)] for _ in range(groups)]
    for position in range(max_length + 1):
        said = {}
        for group in range(groups):
            options = []
            for words, score, ended in beams[group]:
                if ended:
                    options.append((score, (words, score, True), None))
                    continue
                output, _ = decoder(torch.tensor([[[START, *words]]]), memory)
                log_probs = decoder.vocabulary_logits(output)[0, 0, -1].log_softmax(-1)
                allowed = [END] if position == max_length else [4, 5, 6] + [END] * (position > 0)
                for word in allowed:
                    total = score + float(log_probs[word])
                    new = (words, total, True) if word == END else ([*words, word], total, False)
                    options.append((total - diversity * said.get(word, 0), new, word))
            best = sorted(options, key=lambda option: -option[0])[:size]
            beams[group] = [new for _, new, _ in best]
            if position == 0:
                beams[group] = beams[group][:size]
            for _, _, word in best:
                if word is not None:
                    said[word] = said.get(word, 0) + 1
    return sorted((score, words) for group in beams for words, score, _ in group)[::-1]


@torch.no_grad()
@pytest.mark.parametrize(("beams", "groups"), [(2, 2), (4, 2), (3, 3), (6, 3)])
def test_groups_agree_with_the_algorithm_written_out(small, beams, groups):
    memory = small.remember(make_regions())
    results = DiverseBeamSearch(beams, groups, 2.0, limits=Limits(4))(small, memory, max_captions=beams)
    for photo, hypotheses in enumerate(results):
        alone = memory.select(torch.tensor([photo]))
        expected = diverse_beams(small, alone, beams // groups, groups, 2.0, 4)
        for hypothesis, (score, words) in zip(hypotheses, expected, strict=True):
            assert hypothesis.log_prob == pytest.approx(score, abs=1e-4)
            assert hypothesis.words.tolist() == words


def test_slots_without_a_caption_say_no_words(monkeypatch):
    """Of two words, a group of three chooses both, and leaves one slot without a caption."""
    log_probs = torch.full((1, 1, 7), -torch.inf)
    log_probs[..., 4:6] = -1.0
    best, penalties = beam._best, []
    monkeypatch.setattr(beam, "_best", lambda *arguments: penalties.append(arguments[-1]) or best(*arguments))
    chosen = DiverseBeamSearch(6, 2, 0.5).choose(log_probs, BeamState(*torch.zeros(3, 1, 1), length=0))
    assert chosen.scores.isinf().tolist() == [[False, False, True] * 2]
    assert penalties[1].nonzero()[:, 1].tolist() == [4, 5]


def test_groups_share_out_the_beams():
    with pytest.raises(ValueError, match="beams should be a multiple of groups, got 5 and 2"):
        DiverseBeamSearch(5, 2)


@pytest.mark.parametrize("name", ["beams", "groups", "samples", "max_length", "min_length"])
def test_sizes_of_a_search_have_an_upper_bound(name):
    kind = {"groups": "diverse_beam", "samples": "sample"}.get(name, "beam")
    with pytest.raises(UserError, match=f"search.{name} should be less than or equal to 1000, got 100000"):
        read(DRAWN, [f"search.kind={kind}", f"search.{name}=100000"])


@torch.no_grad()
@pytest.mark.parametrize("search", [BeamSearch(1000), DiverseBeamSearch(1000, 10), Sampling(1000)])
def test_captions_that_do_not_fit_into_memory_are_refused(search, monkeypatch):
    decoder = make_decoder("lstm", vocabulary_size=50_000)
    monkeypatch.setattr(allocation, "free_memory", lambda: 2.0**29)
    with pytest.raises(
        UserError, match=r"1,000 captions of each of .* GiB of memory, 0\.5 GiB are free; give search\.beams"
    ):
        search(decoder, decoder.remember(make_regions()))
