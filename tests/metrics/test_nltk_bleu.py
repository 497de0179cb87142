"""BLEU-4 by the popular tutorial's protocol: nltk's, with <unk> in captions and references."""

from __future__ import annotations

import pytest

from captioner.metrics import SystemScorer, score
from captioner.metrics.nltk_bleu import NLTK_BLEU, nltk_bleu, read_by
from captioner.text.vocabulary import Vocabulary

REFERENCES = {1: ["a red dog runs on the grass", "a dog on grass"], 2: ["two people ride a small horse"]}
CAPTIONS = {1: "a red dog runs on grass", 2: "two people ride a horse"}
VOCABULARY = Vocabulary(["a", "dog", "runs", "on", "the", "grass", "two", "people", "ride", "horse", "red"])


def test_with_every_word_known_it_is_the_bleu_of_coco_caption():
    ours = score(CAPTIONS, REFERENCES, "whitespace")["BLEU-4"]
    assert nltk_bleu(CAPTIONS, REFERENCES, str.split) == pytest.approx(ours)


def test_unknown_words_of_references_match_the_unk_of_captions():
    written = CAPTIONS | {2: "two people ride a <unk> horse"}
    assert nltk_bleu(written, REFERENCES, read_by(VOCABULARY)) > nltk_bleu(written, REFERENCES, str.split)
    assert read_by(VOCABULARY)("Two people ride a small horse.") == ["two", "people", "ride", "a", "<unk>", "horse"]


def test_captions_without_a_common_word_score_nothing():
    assert nltk_bleu({1: "x y z", 2: ""}, REFERENCES, str.split) == pytest.approx(0)


def test_it_is_scored_beside_coco_captions_under_its_own_name():
    scored = SystemScorer(REFERENCES, "ptb", words=read_by(VOCABULARY))(CAPTIONS)
    assert scored.scores[NLTK_BLEU] == nltk_bleu(CAPTIONS, REFERENCES, read_by(VOCABULARY))
    assert NLTK_BLEU not in scored.intervals
