"""Scores equal coco-caption's, in any order of photos, and are never NaN."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from captioner.errors import UserError
from captioner.metrics.coco_scores import NAMES, cider_d, cider_d_each, score, score_each
from captioner.text.tokens import TOKENS
from tests.reference.cider_d import cider_d as cider_d_in_loops

WORDS = ["a", "red", "blue", "circle", "square", "is", "above", "two", "the", "on"]


@st.composite
def corpora(draw, shortest_caption: int = 0, shortest_reference: int = 1):
    """Captions and references as lists of words, of 2 to 5 photos."""
    photos = range(draw(st.integers(2, 5)))
    captions = {
        photo: draw(st.lists(st.sampled_from(WORDS), min_size=shortest_caption, max_size=9)) for photo in photos
    }
    sentences = st.lists(st.sampled_from(WORDS), min_size=shortest_reference, max_size=9)
    references = {photo: draw(st.lists(sentences, min_size=1, max_size=3)) for photo in photos}
    return captions, references


def as_text(captions, references):
    texts = {photo: " ".join(words) for photo, words in captions.items()}
    return texts, {photo: [" ".join(words) for words in of_photo] for photo, of_photo in references.items()}


def pycocoevalcaps(captions, references) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The scores of all captions, and of each."""
    in_lists = {photo: [captions[photo]] for photo in references}
    together, each = Bleu(4).compute_score(references, in_lists, verbose=0)
    for scorer in (Rouge(), Cider()):
        mean, found = scorer.compute_score(references, in_lists)
        together, each = [*together, mean], [*each, found.tolist()]
    return dict(zip(NAMES, together, strict=True)), dict(zip(NAMES, each, strict=True))


@settings(max_examples=60)
@given(corpora(shortest_reference=0))
def test_every_score_is_pycocoevalcaps_for_every_photo(corpus):
    captions, references = as_text(*corpus)
    references = {photo: [*of_photo, "a red circle"] for photo, of_photo in references.items()}
    expected, expected_each = pycocoevalcaps(captions, references)
    scores, each = score(captions, references), score_each(captions, references)
    assert list(each) == NAMES
    for name in NAMES:
        assert scores[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-12)
        assert each[name] == pytest.approx(expected_each[name], rel=1e-12, abs=1e-12)


def test_long_captions_score_as_in_pycocoevalcap():
    words = [random.Random(0).choice(WORDS) for _ in range(400)]
    captions = {1: " ".join(words[:150]), 2: " ".join(words[150:])}
    references = {1: [" ".join(words[100:300]), "a"], 2: [" ".join(words[::2]), " ".join(words[::-1])]}
    expected, _ = pycocoevalcaps(captions, references)
    assert score(captions, references) == pytest.approx(expected, rel=1e-12)


@given(corpora())
def test_cider_d_agrees_with_the_loops_of_its_paper(corpus):
    assert cider_d(*as_text(*corpus)) == pytest.approx(cider_d_in_loops(*corpus), rel=1e-12, abs=1e-12)


def test_clipping_makes_repeated_words_worthless():
    """Without the minimum, a caption would gain by repeating its only right word."""
    references = {1: ["red circle here"], 2: ["two blue squares"]}
    assert cider_d({1: "red red dog", 2: ""}, references) < cider_d({1: "red dog", 2: ""}, references)


@given(corpora())
def test_every_score_is_a_number_in_its_range_even_for_empty_captions(corpus):
    scores = score(*as_text(*corpus))
    assert list(scores) == NAMES
    for name, value in scores.items():
        assert type(value) is float
        assert -1e-9 <= value <= (10 if name == "CIDEr-D" else 1) + 1e-9


@given(corpora(shortest_caption=4), st.data())
def test_a_copy_of_a_reference_scores_bleu_1_and_no_more_than_10_cider_d(corpus, data):
    captions, references = corpus
    references = {photo: [*of_photo, captions[photo]] for photo, of_photo in references.items()}
    captions, references = as_text(captions, references)
    scores = score(captions, references)
    for name in NAMES[:4]:
        assert scores[name] == pytest.approx(1, abs=1e-6)
    assert scores["ROUGE-L"] == pytest.approx(1)
    assert scores["CIDEr-D"] <= 10 + 1e-9


def test_a_copy_of_the_only_reference_scores_10_cider_d_where_photos_differ():
    texts = {1: "a red circle here", 2: "two blue squares there"}
    assert cider_d(texts, {photo: [text] for photo, text in texts.items()}) == pytest.approx(10)


@given(corpora(), st.randoms(use_true_random=False))
def test_the_order_of_photos_and_references_does_not_matter(corpus, shuffler: random.Random):
    captions, references = as_text(*corpus)
    expected = score(captions, references)

    def mixed(mapping):
        return dict(shuffler.sample(list(mapping.items()), len(mapping)))

    assert score(mixed(captions), references) == expected
    shuffled = {photo: shuffler.sample(texts, len(texts)) for photo, texts in mixed(references).items()}
    assert score(mixed(captions), shuffled) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_only_empty_captions_score_zero():
    scores = score({1: "", 2: " . "}, {1: ["a red circle"], 2: ["a blue square"]})
    assert scores == dict.fromkeys(NAMES, 0.0)
    assert not any(math.isnan(value) for value in scores.values())


def test_cider_d_of_a_single_photo_is_zero():
    scores = score({1: "a red circle here"}, {1: ["a red circle here"]})
    assert scores["CIDEr-D"] == 0
    assert scores["BLEU-4"] == pytest.approx(1, abs=1e-6)


def test_document_frequencies_come_from_the_references_given():
    captions, references = {1: "a red circle", 2: "a blue square"}, {1: ["a red square"], 2: ["a blue circle"]}
    more = {3: "a dog"}
    assert cider_d(captions | more, references | {3: ["a dog"]}) != pytest.approx(cider_d(captions, references))


@pytest.mark.parametrize("tokens", TOKENS)
def test_captions_are_tokenised_by_the_named_rule(tokens):
    captions = {1: "A red-hot dog's  dinner.", 2: "Two cats, one box!\n"}
    references = {1: ["a red hot dog's dinner", "a meal"], 2: ["two cats one box"]}

    def cut(text: str) -> str:
        return " ".join(TOKENS[tokens](text))

    cut_first = score(
        {photo: cut(text) for photo, text in captions.items()},
        {photo: [cut(text) for text in texts] for photo, texts in references.items()},
        "whitespace",
    )
    assert score(captions, references, tokens) == cut_first
    assert (cut_first["BLEU-1"] > 0.99) == (tokens == "simple")


def test_the_metrics_are_named_as_tables_print_them():
    assert NAMES == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]


def test_cider_d_of_each_photo_is_in_the_references_order():
    captions, references = {2: "a blue square", 1: "a dog"}, {1: ["a red circle"], 2: ["a blue square"]}
    each = cider_d_each(captions, references)
    assert each[0] < each[1]
    assert each == score_each(captions, references)["CIDEr-D"]


@pytest.mark.parametrize("compute", [score, cider_d])
def test_nothing_is_printed(compute: Callable, capfd):
    compute({1: "a dog", 2: "a cat"}, {1: ["a dog"], 2: ["one cat"]})
    assert capfd.readouterr() == ("", "")


ONE = {1: ["a dog"]}


@pytest.mark.parametrize("compute", [score, cider_d])
@pytest.mark.parametrize(
    ("captions", "references", "tokens", "message"),
    [
        ({}, {}, "simple", "at least one photo"),
        ({1: "a dog"}, {1: ["a dog"], 7: ["a cat"], 8: ["x"]}, "simple", r"needs a caption, 2 of 3 \(first: 7\)"),
        ({"1": "a dog"}, ONE, "simple", "7 is not '7'"),
        ({1: "a dog", "x": "a cat"}, ONE, "simple", r"needs its photo's references, 1 of 2 \(first: 'x'\)"),
        ({1: "a dog"}, ONE, "ptb3", "tokens must be one of simple, ptb, whitespace, characters, got 'ptb3'"),
        ({1: "a dog"}, {1: []}, "simple", r"reference with words, 1 of 1 \(first: 1\)"),
        ({1: "a dog"}, {1: [" . "]}, "simple", "reference with words"),
    ],
)
def test_an_error_says_what_does_not_pair_up(compute: Callable, captions, references, tokens, message):
    with pytest.raises(UserError, match=message):
        compute(captions, references, tokens)


def test_a_reference_without_words_stays_beside_others():
    references = {1: ["a red circle", "!"], 2: ["a blue square"]}
    captions = {1: "a red circle", 2: "a blue square"}
    assert cider_d(captions, references) == pytest.approx((7.5 / 2 + 7.5) / 2)  # 7.5: none has four words


@pytest.mark.timeout(30)
def test_a_caption_of_very_many_words_is_named():
    text = "\u0301\u0323" * 300_000
    for captions, references in (({1: text}, {1: ["a"]}), ({1: "a"}, {1: ["b", text]})):
        with pytest.raises(UserError, match=r"should be a sentence, got 600,000 words for photo 1"):
            score(captions, references, "characters")


@pytest.mark.parametrize(("captions", "references"), [({1: "a dog"}, {1: "a dog"}), ({1: ["a dog"]}, {1: ["a dog"]})])
def test_texts_and_lists_of_texts_are_not_mixed_up(captions, references):
    with pytest.raises(UserError, match="one text for each photo's caption, and a list of texts for its references"):
        score(captions, references)
