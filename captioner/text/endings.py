"""Words that a complete caption does not end with. A reward without the end mark makes models write such endings."""

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
