"""Words that no caption ends with: one that does was cut short, or taught by a reward that did not look at its end."""

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
"""The list of ImageCaptioning.pytorch, so that shares of bad endings compare with those it prints."""
