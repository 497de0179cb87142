"""The variants that benchmarks compare compute the same results."""

from __future__ import annotations

import itertools
import random
from argparse import Namespace
from collections import Counter

import numpy
import pytest
import torch
from torch import nn

from benchmarks import guess_the_word, judgements
from benchmarks.textbook import copy_back, same_layers, textbook_of, torchs_order
from captioner.data.batches import Batch, pad_words
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Grid, Regions
from captioner.search import BeamSearch, Limits
from captioner.search.result import Caption
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


# Judgements


OWN = {"dog.jpg": ["a dog runs on grass", "a dog is running"], "cat.jpg": ["a cat sleeps", "the cat is asleep"]}
TOKEN_LINES = [f"{photo}#{number}\t{text} ." for photo, texts in OWN.items() for number, text in enumerate(texts)]
TOKEN_LINES += ["bird.jpg.1#0\ta dog runs on a green field ."]


@pytest.fixture
def judged(tmp_path):
    """The two files: a caption of the photo itself, a near one, and two wrong ones."""
    (tmp_path / "tokens.txt").write_text("\n".join(TOKEN_LINES), encoding="utf-8")
    lines = ["dog.jpg\tdog.jpg#1\t4\t4\t4", "dog.jpg\tbird.jpg.1#0\t4\t3\t3", "dog.jpg\tcat.jpg#0\t1\t1\t1"]
    lines += ["bird.jpg\tcat.jpg#1\t1\t1\t2"]
    (tmp_path / "experts.txt").write_text("\n".join(lines), encoding="utf-8")
    captions = judgements.read_captions(tmp_path / "tokens.txt")
    return tmp_path / "experts.txt", captions, judgements.references_of(captions)


def test_captions_of_the_photo_itself_are_left_out_of_the_judged_pairs(judged):
    pairs = judgements.read_pairs(*judged)
    assert [(pair.photo, pair.caption) for pair in pairs] == [
        ("dog.jpg", "a dog runs on a green field ."),
        ("dog.jpg", "a cat sleeps ."),
        ("bird.jpg", "the cat is asleep ."),
    ]
    assert [pair.judgements for pair in pairs] == [[4, 3, 3], [1, 1, 1], [1, 1, 2]]


def test_every_score_ranks_the_judged_captions(judged, monkeypatch):
    monkeypatch.setattr(judgements, "java_tallies", lambda *arguments: [])
    pairs = judgements.read_pairs(*judged)
    scores = judgements.scores_of(pairs, judged[2], "", None)
    assert set(scores) <= {*judgements.PUBLISHED, "BLEU-2", "BLEU-3"}
    assert {len(values) for values in scores.values()} == {3}
    assert judgements.agreement(scores["BLEU-1"], pairs) > 0.5


def test_agreement_is_tau_c_of_all_judgements():
    marks = [[1, 1, 2], [3, 2, 3], [4, 4, 4], [1, 2, 1]]
    pairs = [judgements.Pair("dog.jpg", "a dog", of_pair) for of_pair in marks]
    values = numpy.array([0.1, 0.4, 0.3, 0.1])
    expected = tau_c(numpy.repeat(values, 3).tolist(), [mark for pair in pairs for mark in pair.judgements])
    assert judgements.agreement(values, pairs) == pytest.approx(expected)


def tau_c(left, right):
    """2 m (concordant - discordant) / ((m - 1) n^2), with m the smaller number of different values."""
    pairs = itertools.combinations(zip(left, right, strict=True), 2)
    excess = sum(numpy.sign(a - c) * numpy.sign(b - d) for (a, b), (c, d) in pairs)
    classes = min(len({*left}), len({*right}))
    return 2 * classes * excess / ((classes - 1) * len(left) ** 2)


@pytest.mark.parametrize(
    "line", ["dog.jpg\tcat.jpg#0\t1\t1\t5", "dog.jpg\tcat.jpg#9\t1\t1\t1", "dog.jpg cat.jpg#0 1 1 1"]
)
def test_a_line_that_is_no_judgement_is_named(judged, line):
    path, captions, references = judged
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"experts\.txt, line 5: should be a photo"):
        judgements.read_pairs(path, captions, references)


# Time to a score


def test_the_textbooks_weights_come_back_unchanged():
    ours, other = (make_decoder(gate="vector", output="state") for _ in range(2))
    with torch.no_grad():
        for weight in other.parameters():
            weight.normal_()
    copy_back(textbook_of(ours), other)
    regions, words = make_regions(num_photos=1), torch.tensor([[[START, 4, 5, 6]]])
    logits = [decoder.vocabulary_logits(decoder(words, decoder.remember(regions))[0]) for decoder in (ours, other)]
    torch.testing.assert_close(*logits)


def test_the_textbooks_coverage_penalty_is_ours():
    ours, regions, words = make_decoder(gate="vector", output="state"), make_regions(num_photos=1), pad_words(CAPTIONS)
    features = torch.cat([regions.features, regions.features.flip(1)])
    objective = TeacherForcing(CaptionModel(nn.Identity(), ours), coverage=1.0, coverage_reduction="mean_regions")
    loss, _ = objective(Batch(Regions.full(features, regions.layout), words), Totals(words=12, captions=4, photos=2))
    expected = textbook_of(ours).loss(features, words, torch.tensor([[5, 2], [3, 2]]), coverage=1.0)
    torch.testing.assert_close(loss, expected)


# Guessing words from maps


def captioned(text: str) -> Caption:
    words = text.split()
    nothing = torch.zeros(len(words))
    return Caption(text, words, nothing, 0.0, True, nothing[:, None], None, None, None, "after", Grid(1, 1), None)


def asked(tmp_path, caption: str, said: str):
    return guess_the_word.natural_item(tmp_path, captioned(caption), Counter(said.split()), random.Random(0))


def test_the_words_to_choose_from_name_other_things_in_the_photo(tmp_path):
    item = asked(tmp_path, "a dog on the grass", "dog dogs grass tree tree sky field fence")
    assert item is not None
    assert item.word in ("dog", "grass")
    assert set(item.options) == {
        "dog",
        "grass",
        "tree",
        "sky",
    }  # not dogs nor field; the fence is named as often, and stands later


def test_a_photo_of_too_few_things_asks_nothing(tmp_path):
    assert asked(tmp_path, "a dog on the grass", "dog dogs grass field tree") is None
    assert asked(tmp_path, "a cat on the sand", "dog grass tree sky") is None


def test_a_figure_is_asked_for_by_its_colour_and_shape(tmp_path):
    said = Counter({"red circle": 1, "blue star": 1})
    item = guess_the_word.drawn_item(tmp_path, captioned("a red circle and a blue star"), said, random.Random(0))
    assert item is not None
    assert item.word in said
    assert len(set(item.options)) == 4
    assert set(said) <= set(item.options)


def test_answers_are_scored(tmp_path, capsys):
    (tmp_path / "key.json").write_text('{"1": {"word": "dog"}, "2": {"word": "sky"}}')
    (tmp_path / "answers.json").write_text('{"01": "Dog", "2": "grass"}')
    guess_the_word.score(Namespace(key=tmp_path / "key.json", answers=[f"reveal={tmp_path / 'answers.json'}"]))
    assert "1 of 2: 50 %" in capsys.readouterr().out
