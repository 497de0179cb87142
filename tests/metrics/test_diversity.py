"""Diversity and variety, against values computed by hand and against pycocoevalcap's BLEU."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu

from captioner.errors import UserError
from captioner.metrics import DocumentFrequencies, diversity_scores, variety
from captioner.metrics.diversity import BAD_ENDINGS, cider_of_pairs, self_cider

REFERENCES = {1: ["a dog runs"], 2: ["a red circle"], 3: ["a cat"]}
FREQUENCIES = DocumentFrequencies.count(REFERENCES)
WORDS = ["a", "dog", "red", "circle", "cat", "zebra"]
several = st.dictionaries(
    st.integers(0, 9),
    st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=2, max_size=4),
    min_size=1,
    max_size=4,
)


def test_equal_captions_have_no_diversity():
    found = diversity_scores({1: ["a red dog runs"] * 3, 2: ["a big cat sits"] * 3}, FREQUENCIES)
    assert found["self-CIDEr"] == pytest.approx(0, abs=1e-7)
    assert found["mBLEU-4"] == pytest.approx(1, abs=1e-6)
    assert found["distinct-1"] == pytest.approx(4 / 12)
    assert found["distinct-2"] == pytest.approx(3 / 12)


def test_captions_that_share_nothing_have_all_of_it():
    found = diversity_scores({1: ["one dog runs fast", "two red circles here"]}, FREQUENCIES)
    assert found["self-CIDEr"] == pytest.approx(1)
    assert found["mBLEU-4"] < 1e-3
    assert found["distinct-1"] == 1


def test_self_cider_of_two_captions_worked_out_by_hand():
    """Rarities: a is in all of 3 photos: 0; dog and cat in one: log 3, which cancels. Of length 2: a-dog and a-cat, log 3 each."""
    similarities = cider_of_pairs([[["a", "dog"], ["a", "dog", "cat"]]], FREQUENCIES)[0]
    single, pair = 1 / math.sqrt(2), 1 / math.sqrt(2)  # dog of dog, cat; a-dog of a-dog, dog-cat
    expected = [[2 / 4, (single + pair) / 4], [(single + pair) / 4, 3 / 4]]
    numpy.testing.assert_allclose(similarities, expected)
    spread = math.sqrt((2 / 4 - 3 / 4) ** 2 / 4 + expected[0][1] ** 2)
    largest, smallest = (math.sqrt(5 / 8 + sign * spread) for sign in (1, -1))
    assert self_cider([[["a", "dog"], ["a", "dog", "cat"]]], FREQUENCIES) == pytest.approx(
        [-math.log2(largest / (largest + smallest))]
    )


def test_mutual_bleu_is_the_mean_over_turns():
    captions = {1: ["a red dog runs here", "a red dog sits here", "a dog"], 2: ["a cat runs on grass", "the cat", "a cat runs on it"]}  # fmt: skip
    turns = [
        Bleu(4).compute_score(
            {photo: of[:turn] + of[turn + 1 :] for photo, of in captions.items()},
            {photo: [of[turn]] for photo, of in captions.items()},
            verbose=0,
        )[0][3]
        for turn in range(3)
    ]
    assert diversity_scores(captions, FREQUENCIES)["mBLEU-4"] == pytest.approx(sum(turns) / 3, rel=1e-12)


@settings(max_examples=60)
@given(several, st.randoms(use_true_random=False))
def test_diversity_is_a_number_from_0_to_1_whatever_the_order(captions, shuffler):
    found = diversity_scores(captions, FREQUENCIES)
    assert list(found) == ["distinct-1", "distinct-2", "mBLEU-4", "self-CIDEr"]
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in found.values())
    mixed = {photo: of for photo, of in shuffler.sample(list(captions.items()), len(captions))}  # noqa: C416
    assert diversity_scores(mixed, FREQUENCIES) == pytest.approx(found, abs=1e-9)


@given(several)
def test_variety_is_never_nan(captions):
    found = variety(captions, REFERENCES)
    assert not any(math.isnan(value) for value in found.values())


def test_variety_of_captions_counted_by_hand():
    captions = {
        1: "A dog runs!",
        2: "a dog on a",
        3: "a a cat",
        4: ["a dog and a dog", "a big red dog and a big red"],
    }
    assert variety(captions, {7: ["a dog runs", "dog"]}) == {
        "words used": 8,  # a dog runs on cat and big red
        "mean length": (3 + 4 + 3 + 5 + 8) / 5,
        "repeats a word": 1 / 5,
        "repeats 3 words": 1 / 5,
        "bad ending": 1 / 5,
        "novel": 4 / 5,
    }
    assert "novel" not in variety(captions)


def test_the_list_of_bad_endings_is_that_of_the_original_code():
    assert len(BAD_ENDINGS) == 17
    for word in BAD_ENDINGS:
        assert variety({1: f"a dog {word}"})["bad ending"] == 1
    assert variety({1: "", 2: "a dog and"})["bad ending"] == 0


def test_no_captions_and_single_captions_are_errors():
    with pytest.raises(UserError, match="needs at least one caption"):
        variety({})
    with pytest.raises(UserError, match="two captions of every photo, got 1 of 2 photos with fewer"):
        diversity_scores({1: ["a", "b"], 2: ["a"]}, FREQUENCIES)
    with pytest.raises(UserError, match="got 0 of 0"):
        diversity_scores({}, FREQUENCIES)
    with pytest.raises(UserError, match="tokens must be one of"):
        variety({1: "a"}, tokens="none")
