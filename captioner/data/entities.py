"""Flickr30k Entities: phrases of captions with boxes (Plummer et al. 2017, arXiv 1505.04870), read as the objects of photos.

The folder has `Sentences`, a text file for each photo with a caption in each line, whose phrases are marked
(`[/EN#137644/people A group of friends] playing [/EN#137645/other cards]`), and `Annotations`, an XML file for each photo with boxes by the
numbers of the phrases. An object's category is the last word of a phrase that names it, such as "friends"; if phrases end in several
words, the object stands once under each. Pronouns and numerals are left out, and so are phrases without boxes, which name the scene or
nothing that can be seen. Where captions use one word for several objects of a photo, such as two men, the word stands for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from captioner.data.instances import Box, Instance, Instances, read_instances
from captioner.errors import UserError
from captioner.readers import parsing, read_text
from captioner.text.function_words import is_content

SENTENCES, ANNOTATIONS = "Sentences", "Annotations"
_NUMERALS = frozenset(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
_PHRASE = re.compile(r"\[/EN#(\d+)/\S+ ([^\]]*)\]")
_ADVICE = "unpack the annotations of Flickr30k Entities again"


def is_entities(path: Path) -> bool:
    """Whether a path is a folder as Flickr30k Entities has it."""
    return (path / SENTENCES).is_dir() and (path / ANNOTATIONS).is_dir()


def read_photo_objects(path: Path) -> Instances:
    """The objects of photos: of a file in COCO's instances format, or of the folder of Flickr30k Entities.

    Raises:
        UserError: it is neither.
    """
    if path.is_dir() and not is_entities(path):
        raise UserError(
            f"{path} should be an instances file, or the folder of Flickr30k Entities with {SENTENCES} and {ANNOTATIONS}, got another "
            "folder; give one of these"
        )
    return read_entities(path) if path.is_dir() else read_instances(path)


def read_entities(folder: Path) -> Instances:
    """The objects of every photo that has annotations, and its captions. The image id is the photo's name without `.jpg`.

    Raises:
        UserError: a file cannot be read.
    """
    objects: dict[Any, list[Instance]] = {}
    sizes: dict[Any, tuple[int, int]] = {}
    captions: dict[Any, list[str]] = {}
    for path in sorted((folder / ANNOTATIONS).glob("[!.]*.xml")):
        photo = path.stem
        boxes, sizes[photo] = _boxes(path)
        marked = read_text(folder / SENTENCES / f"{photo}.txt", _ADVICE)
        objects[photo] = _objects(_last_words(marked), boxes)
        captions[photo] = [line for line in _PHRASE.sub(r"\2", marked).splitlines() if line.strip()]
    if not objects:
        raise UserError(f"{folder / ANNOTATIONS} should hold an XML file for each photo, got none; {_ADVICE}")
    categories = sorted({instance.category for of_photo in objects.values() for instance in of_photo})
    files = {photo: f"{photo}.jpg" for photo in objects}
    return Instances(categories, objects, files, sizes, captions, of_phrases=True)


def _last_words(marked: str) -> dict[str, set[str]]:
    """The last words of the phrases of a photo's captions, by the number of what they name."""
    words: dict[str, set[str]] = {}
    for number, phrase in _PHRASE.findall(marked):
        letters = re.findall(r"[^\W\d_]+", phrase.lower())  # of "T-shirt" only "shirt", as most tokenisers cut it
        if letters and is_content(letters[-1]) and letters[-1] not in _NUMERALS:
            words.setdefault(number, set()).add(letters[-1])
    return words


def _boxes(path: Path) -> tuple[dict[str, list[Box]], tuple[int, int]]:
    """The boxes in a photo by the number of what they show, and the photo's size. Pixels are counted from 1 in the file."""
    text = read_text(path, _ADVICE)
    boxes: dict[str, list[Box]] = {}
    with parsing(path, "annotations of Flickr30k Entities", _ADVICE):
        root = ElementTree.fromstring(text)
        size = (_whole(root, "size/width"), _whole(root, "size/height"))
        for shown in root.iterfind("object"):
            for box in shown.iterfind("bndbox"):
                left, top, right, bottom = (_whole(box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
                if right < left or bottom < top:
                    raise ValueError(f"a box from {left}, {top} to {right}, {bottom}")
                corners = (float(left - 1), float(top - 1), float(right - left + 1), float(bottom - top + 1))
                for name in shown.iterfind("name"):
                    boxes.setdefault((name.text or "").strip(), []).append(corners)
    return boxes, size


def _whole(parent: ElementTree.Element, path: str) -> int:
    """The whole number in an element below `parent`."""
    text = (parent.findtext(path) or "").strip()
    if re.fullmatch(r"-?[0-9]{1,9}", text) is None:
        raise ValueError(f"{text!r} in place of a whole number in {parent.tag}/{path}")
    return int(text)


def _objects(words: Mapping[str, set[str]], boxes: Mapping[str, list[Box]]) -> list[Instance]:
    return [Instance(word, box) for number in words for word in sorted(words[number]) for box in boxes.get(number, [])]
