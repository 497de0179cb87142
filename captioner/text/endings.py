"""Words that a complete caption does not end with. If a reward ignores the end mark, models learn to end captions with them."""

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
