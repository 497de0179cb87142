"""CIDEr-D as a reward: many captions at once, stored document frequencies, the end token. test_scores.py compares it with coco-caption."""

import json

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.cider.cider import Cider

from captioner.errors import UserError
from captioner.metrics.cider import CiderD
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.rewards import Rewards
from captioner.metrics.sequences import CountedReferences
from tests.reference.cider_d import cider_d as cider_d_in_loops

WORDS = ["a", "red", "blue", "circle", "square", "on"]
sentences = st.lists(st.sampled_from(WORDS), max_size=7)
corpora = st.lists(st.lists(sentences, min_size=1, max_size=3), min_size=2, max_size=5).map(
    lambda photos: dict(enumerate(photos))
)
some = settings(max_examples=60)

REFERENCES = {
    7: ["a red circle on a square", "a circle"],
    8: ["two blue squares"],
    9: ["a dog", "the dog on a red mat"],
}


@some
@given(corpora, corpora, st.lists(sentences, min_size=5, max_size=5))
def test_given_frequencies_weigh_as_in_the_loops(corpus, references, captions):
    candidates = dict(zip(references, captions))  # noqa: B905
    expected = cider_d_in_loops(candidates, references, corpus)
    for frequencies in (DocumentFrequencies.of(CountedReferences(corpus)), DocumentFrequencies.count(corpus)):
        found = CiderD(references, frequencies)(candidates)
        assert found.mean() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@some
@given(corpora, st.lists(sentences, min_size=1, max_size=6), st.data())
def test_a_batch_scored_alone_scores_as_within_all(references, captions, data):
    photos = data.draw(st.lists(st.sampled_from(list(references)), min_size=len(captions), max_size=len(captions)))
    batch = {photo: references[photo] for photo in photos}
    alone = CiderD(batch, DocumentFrequencies.count(references)).each(photos, captions)
    numpy.testing.assert_allclose(alone, CiderD(references).each(photos, captions), rtol=1e-12, atol=1e-12)


@some
@given(corpora, st.lists(sentences, min_size=5, max_size=5))
def test_the_end_mark_counts_as_a_word_that_no_caption_holds(references, captions):
    marked = {photo: [" ".join([*words, "END"]) for words in of] for photo, of in references.items()}
    written = {photo: [" ".join([*words, "END"])] for photo, words in zip(references, captions)}  # noqa: B905
    _, expected = Cider().compute_score(marked, written)
    candidates = dict(zip(references, captions))  # noqa: B905
    for frequencies in (None, DocumentFrequencies.count(references, end_mark=True)):
        found = CiderD(references, frequencies, end_mark=True)(candidates)
        numpy.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_with_the_end_mark_a_caption_that_stops_short_is_worth_less():
    references = {1: ["a dog with a ball"], 2: ["a red circle"]}
    with_mark, without = CiderD(references, end_mark=True), CiderD(references)
    short, whole = "a dog with a", "a dog with a ball"
    lost = [scorer.each([1, 1], [whole, short]) for scorer in (with_mark, without)]
    assert lost[0][0] == pytest.approx(10)
    assert lost[0][1] < lost[1][1]


def test_a_caption_that_did_not_end_has_no_end_mark():
    references = {1: ["a dog runs"], 2: ["two cats"]}
    scorer = CiderD(references, end_mark=True)
    ended, cut_off = scorer.each([1, 1], ["a dog runs", "a dog runs"], [True, False])
    assert cut_off < ended == pytest.approx(10)


def test_a_batch_of_numbers_scores_as_its_texts():
    vocabulary = ["<pad>", "a", "dog", "circle", "red", "on"]
    words = numpy.array([[[1, 2, 0, 0], [1, 4, 3, 5]], [[0, 0, 0, 0], [2, 2, 2, 0]]])
    lengths, ended = numpy.array([[2, 4], [0, 3]]), numpy.array([[True, False], [True, True]])
    texts = ["a dog", "a red circle on", "", "dog dog dog"]
    for end_mark in (False, True):
        scorer = CiderD(REFERENCES, end_mark=end_mark)
        reward = Rewards(scorer, vocabulary).cider
        found = reward([7, 9], words, lengths, ended)
        expected = scorer.each([7, 7, 9, 9], texts, [True, False, True, True])
        assert found.tolist() == expected.reshape(2, 2).tolist()
        assert found.max() > 0
        none = reward([7, 9], words[..., :0], 0 * lengths, numpy.full((2, 2), True))
        assert none.tolist() == scorer.each([7, 7, 9, 9], [""] * 4).reshape(2, 2).tolist()


def test_words_may_be_numbers_on_both_sides():
    number_of = {word: number for number, word in enumerate(WORDS)}
    references = {photo: [[number_of.get(word, 99) for word in text.split()] for text in of] for photo, of in REFERENCES.items()}  # fmt: skip
    candidates = {7: "a red circle", 9: "on a red square"}
    numbers = {photo: [number_of[word] for word in text.split()] for photo, text in candidates.items()}
    texts = {photo: [" ".join(word if word in WORDS else "?" for word in text.split()) for text in of] for photo, of in REFERENCES.items()}  # fmt: skip
    assert CiderD(references)(numbers).tolist() == CiderD(texts)(candidates).tolist()


@some
@given(corpora, st.randoms(use_true_random=False), st.lists(sentences, min_size=5, max_size=5))
def test_the_order_of_photos_and_references_does_not_matter(references, shuffler, captions):
    candidates = dict(zip(references, captions))  # noqa: B905
    mixed = {photo: shuffler.sample(of, len(of)) for photo, of in shuffler.sample(list(references.items()), len(references))}  # fmt: skip
    numpy.testing.assert_allclose(CiderD(mixed)(candidates), CiderD(references)(candidates), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("end_mark", [False, True])
@pytest.mark.parametrize("as_numbers", [False, True])
def test_stored_frequencies_score_the_same(tmp_path, end_mark, as_numbers):
    number_of = {"a": 4, "dog": 5, "red": 6, "circle": 7, "two": 8}
    references = {
        photo: [[number_of.get(word, 3) for word in text.split()] for text in of] if as_numbers else of
        for photo, of in {**REFERENCES, 10: ["two cats é"], 11: ["a red dog é"]}.items()
    }
    path = tmp_path / "frequencies.npz"
    frequencies = DocumentFrequencies.count(references, end_mark)
    frequencies.save(path)
    batch = {10: references[10], 7: references[7]}
    candidates = {7: references[11][0], 10: references[8][0]}
    found = CiderD(batch, DocumentFrequencies.load(path), end_mark)(candidates)
    assert found.tolist() == CiderD(batch, frequencies, end_mark)(candidates).tolist()
    numpy.testing.assert_allclose(found, CiderD(references, end_mark=end_mark)(candidates), rtol=1e-12)
    assert found.max() > 0


def test_references_without_words_have_no_score_and_no_error():
    assert CiderD({1: [""], 2: [[]]})({1: "a dog", 2: ""}).tolist() == [0, 0]
    frequencies = DocumentFrequencies.count(REFERENCES)
    assert CiderD({1: [""]}, frequencies)({1: "a dog"}).tolist() == [0]
    assert CiderD({1: ["a dog"], 2: ["x"]}, DocumentFrequencies.count({1: [""]}))({1: "a dog"}).tolist() == [0]
    assert CiderD(REFERENCES).each([], []).tolist() == []


def test_an_error_says_what_does_not_fit():
    with pytest.raises(UserError, match=r"needs its photo's references, 1 of 2 have none \(first: '7'\)"):
        CiderD(REFERENCES)({7: "a", "7": "a"})
    with pytest.raises(UserError, match="end_mark should be as in the document frequencies, got True and False"):
        CiderD(REFERENCES, DocumentFrequencies.count(REFERENCES), end_mark=True)
    with pytest.raises(UserError, match="needs a reference, got 1 of 2 photos without"):
        CiderD({1: ["a"], 2: []})
    with pytest.raises(UserError, match="needs a reference, got 0 of 0"):
        DocumentFrequencies.count({})


@pytest.mark.parametrize("content", [b"", b"not a zip", None], ids=["empty", "text", "other arrays"])
def test_a_file_that_holds_no_frequencies_is_named(tmp_path, content):
    path = tmp_path / "frequencies.npz"
    if content is None:
        numpy.savez(path, about=numpy.frombuffer(json.dumps({}).encode(), dtype=numpy.uint8))
    else:
        path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"frequencies\.npz should be .*, but is not .*; delete it, and it is counted again"
    ):
        DocumentFrequencies.load(path)
