"""BLEU-4 by the protocol of the popular PyTorch tutorial on image captioning, computed by nltk, since people compare with its numbers.

Captions and references are cut into words as for training, and words outside the model's vocabulary are `<unk>` in both, where they match
each other. BLEU-4 of coco-caption counts the words of the references as they are, cut by another rule, and is therefore lower.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from captioner.metrics.coco_scores import Captions, References
from captioner.text.vocabulary import MARKS, UNK

if TYPE_CHECKING:
    from captioner.text.vocabulary import Vocabulary

NLTK_BLEU = "BLEU-4 nltk"


def read_by(vocabulary: Vocabulary) -> Callable[[str], list[str]]:
    """The words of a text as a model with this vocabulary reads them."""
    return lambda text: [word if word in vocabulary.number_of else MARKS[UNK] for word in vocabulary.split(text)]


def nltk_bleu(captions: Captions, references: References, words: Callable[[str], list[str]]) -> float:
    """BLEU-4 of all captions together, 0 to 1; `words` cuts a text."""
    from nltk.translate.bleu_score import corpus_bleu

    texts = [[words(text) for text in of_photo] for of_photo in references.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no 4-gram matches
        value: Any = corpus_bleu(texts, [words(captions[photo]) for photo in references])
    return float(value)
