"""Words that a complete caption does not end with. If a reward ignores the end token, models learn to end captions with them."""

from __future__ import annotations

from captioner.text.vocabulary import Vocabulary

BAD_ENDINGS = frozenset(
    {
        "a",
        "an",
        "the",
        "in",
        "for",
        "at",
        "of",
        "with",
        "before",
        "after",
        "on",
        "upon",
        "near",
        "to",
        "is",
        "are",
        "am",
    }
)
"""The list of ImageCaptioning.pytorch, so that shares of bad endings can be compared."""


def bad_words(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Numbers of the words that no caption should end with."""
    return tuple(sorted(vocabulary.number_of[word] for word in BAD_ENDINGS & vocabulary.number_of.keys()))
