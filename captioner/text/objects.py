"""Finds the objects that a caption names. Phrases count as one name; of those that overlap, the longest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from captioner.text.object_synonyms import NOT_BESIDE, PLURALS, SYNONYMS, TRAPS


class Named(NamedTuple):
    """An object as a caption names it."""

    place: int  # of its first word in the caption
    words: str
    category: str

    @property
    def last(self) -> int:
        """The place of its last word: "truck" of "fire truck"."""
        return self.place + self.words.count(" ")


class ObjectWords:
    """Finds the objects that a caption names.

    Args:
        categories: names of categories. One of COCO's has the words of `synonyms.SYNONYMS`, another its own name alone; plurals are made.
        words: further words of some categories.
    """

    def __init__(self, categories: Iterable[str], words: Mapping[str, Sequence[str]] | None = None):
        known, more = list(categories), words or {}
        self.category_of = {form: category for phrase, category in TRAPS.items() for form in _forms(phrase)}
        others = [(word, category) for category in known for word in SYNONYMS.get(category, "").split(", ") if word]
        given = [(word, category) for category in more for word in more[category]]
        own = zip(known, known, strict=True)  # a category's own name comes before all
        for word, category in [*others, *given, *own]:
            self.category_of.update(dict.fromkeys(_forms(word.lower()), category))
        self.category_of = {form: category if category in known else "" for form, category in self.category_of.items()}
        self.longest = max((len(form.split()) for form in self.category_of), default=0)

    def __call__(self, words: Sequence[str]) -> list[Named]:
        """Every object named, in the order of the words."""
        found = list(self._phrases([word.lower().removesuffix("'s") for word in words]))
        categories = {named.category for named in found}
        return [
            named
            for named in found
            if named.category
            and not any(named.words in _forms(word) and other in categories for word, other in NOT_BESIDE.items())
        ]

    def _phrases(self, words: Sequence[str]) -> Iterator[Named]:
        place = 0
        while place < len(words):
            for length in range(min(self.longest, len(words) - place), 0, -1):
                phrase = " ".join(words[place : place + length])
                if phrase in self.category_of:
                    yield Named(place, phrase, self.category_of[phrase])
                    break
            else:
                length = 1
            place += length


def _forms(words: str) -> set[str]:
    """The words and their plurals; one too many is harmless, since nobody writes it."""
    start, last = words[: words.rfind(" ") + 1], words[words.rfind(" ") + 1 :]
    plurals = {last, last + "s", last + "es"}
    plurals |= {last.removesuffix(one) + many for one, many in PLURALS.items() if last.endswith(one)}
    for one, many in (("y", "ies"), ("f", "ves"), ("fe", "ves"), ("man", "men")):
        if last.endswith(one):
            plurals.add(last.removesuffix(one) + many)
    return {start + form for form in plurals}
