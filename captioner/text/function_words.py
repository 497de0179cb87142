"""English function words: words that say how others belong together and name nothing that one could see.

Articles, demonstratives and quantifiers without a number; prepositions; conjunctions; pronouns; auxiliary verbs; a few adverbs; and what
tokenisers cut off ("'s", "n't"). Words of place that are also nouns or adjectives (left, right, front, top) are content words, and so
are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

_LISTS = (
    "a an the this that these those some any each every another other others both either neither all no many much few several such",
    "about above across after against along alongside amid among amongst around as at atop away before behind below beneath beside "
    "besides between beyond by down during for from in inside into like near nearby next of off on onto opposite out outside over past "
    "per through throughout to together toward towards under underneath until up upon via while with within without",
    "and or but nor so yet if because whilst although though unless when where whereas whether than then",
    "i you he she it we they me him her us them my your his its our their mine yours hers ours theirs myself yourself himself "
    "herself itself ourselves themselves who whom whose which what there here one's someone something",
    "am is are was were be been being do does did has have had having can could may might must shall should will would",
    "not very just too also only",
    "'s 's' 'm 're 've 'll 'd n't s t",
)
FUNCTION_WORDS = frozenset(word for words in _LISTS for word in words.split())


def is_content(word: str) -> bool:
    """Whether a word is a content word: it has a letter or digit and is not in the list."""
    return word.lower() not in FUNCTION_WORDS and any(letter.isalnum() for letter in word)


def content_words(words: Sequence[str]) -> list[int]:
    """Positions of the content words of a caption; of all its words if it has none."""
    return [position for position, word in enumerate(words) if is_content(word)] or list(range(len(words)))
