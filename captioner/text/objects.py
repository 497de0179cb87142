"""Objects that a caption names. A phrase counts as one name; of overlapping phrases, the longest counts.

Plurals are made by rule. Porter stems would name 975 more words as objects in Flickr8k's captions, nearly all wrongly: "sky" as skis,
"seated" as a chair, "skiing", "teenage", "retrieving".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from captioner.text.object_synonyms import NOT_BESIDE, PLURALS, SYNONYMS, TRAPS


class Named(NamedTuple):
    """An object as a caption names it."""

    start: int  # index of its first word in the caption
    words: str
    category: str

    @property
    def last(self) -> int:
        """The index of its last word: "truck" in "fire truck"."""
        return self.start + self.words.count(" ")


class ObjectWords:
    """Finds the objects that a caption names.

    Args:
        categories: names of categories. COCO's have the words of `object_synonyms.SYNONYMS` too; plurals are derived.
        words: more words of some categories.
        coco: use COCO's synonyms, and leave out phrases that name something else, such as "hot dog". False: names and plurals alone.
    """

    def __init__(self, categories: Iterable[str], words: Mapping[str, Sequence[str]] | None = None, coco: bool = True):
        names, more = list(categories), words or {}
        spelled = [(spelling, name) for name in names for spelling in _spellings(name)]
        traps, synonyms, self._not_beside = (TRAPS, SYNONYMS, NOT_BESIDE) if coco else ({}, {}, {})
        self.category_of = {form: category for phrase, category in traps.items() for form in _forms(phrase)}
        others = [
            (word, category) for category in names for word in synonyms.get(category.lower(), "").split(", ") if word
        ]
        given = [(spelling, category) for category in more for word in more[category] for spelling in _spellings(word)]
        for word, category in [*others, *given, *spelled]:  # a category's own name comes last, so that it wins
            self.category_of.update(dict.fromkeys(_forms(word.lower()), category))
        # A name is never the plural of another name: "men" beside "man".
        self.category_of.update(spelled)
        given_name = {name.lower(): name for name in names}  # COCO's are in lower case
        self.category_of = {form: given_name.get(name.lower(), "") for form, name in self.category_of.items()}
        self.longest = max((len(form.split()) for form in self.category_of), default=0)

    def __call__(self, words: Sequence[str]) -> list[Named]:
        """The named objects, in the order of the words."""
        objects = list(self._phrases([word.lower().removesuffix("'s") for word in words]))
        categories = {named.category.lower() for named in objects}
        return [
            named
            for named in objects
            if named.category
            and not any(named.words in _forms(word) and other in categories for word, other in self._not_beside.items())
        ]

    def _phrases(self, words: Sequence[str]) -> Iterator[Named]:
        index = 0
        while index < len(words):
            for length in range(min(self.longest, len(words) - index), 0, -1):
                phrase = " ".join(words[index : index + length])
                if phrase in self.category_of:
                    yield Named(index, phrase, self.category_of[phrase])
                    break
            else:
                length = 1
            index += length


def _spellings(name: str) -> list[str]:
    """How captions spell a name: "alarm clock" for `alarm_clock`, and for "T-shirt" also "t shirt", as some tokenisers cut it."""
    words = " ".join(name.lower().replace("_", " ").split())
    return list(dict.fromkeys([" ".join(re.findall(r"\w+", words)) or words, words]))


def _forms(words: str) -> set[str]:
    """The words and their possible plurals; a wrong plural is harmless, since nobody writes it."""
    start, last = words[: words.rfind(" ") + 1], words[words.rfind(" ") + 1 :]
    plurals = {last, last + "s", last + "es"}
    plurals |= {last.removesuffix(ending) + plural for ending, plural in PLURALS.items() if last.endswith(ending)}
    for ending, plural in (("y", "ies"), ("f", "ves"), ("fe", "ves"), ("man", "men")):
        if last.endswith(ending):
            plurals.add(last.removesuffix(ending) + plural)
    return {start + form for form in plurals}
