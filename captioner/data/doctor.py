"""What is wrong with a data set, found before hours are spent on it.

Every finding says what it is, how often it occurs, and shows the first few. `bad` ones stop a training; the others are worth knowing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from captioner.data.contract import Example, Splits
from captioner.errors import UserError
from captioner.vocabulary import Vocabulary

_SHOWN = 3
_READERS = 4
_SMALL = 32  # pixels; smaller photos show little
_LONG_ASPECT = 4
_TOO_MANY_UNKNOWN = 0.2  # of the words of training
_FEW = 30  # photos


@dataclass(frozen=True)
class Finding:
    """One thing to know about a data set."""

    what: str
    count: int
    of: int
    examples: list[str]
    bad: bool = False


def examine(
    splits: Splits,
    vocabulary: Vocabulary,
    min_count: int,
    max_length: int,
    open_photo: Callable[[Path], Image.Image],
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """Everything worth knowing, bad things first. Reads every photo; `tick` hears how many of how many are done.

    Args:
        splits: examples whose photos may be missing.
        vocabulary: what training would use.
        min_count: how often a word of training stands there to be in the vocabulary.
        max_length: words of a caption that training reads.
        open_photo: reads a photo, and raises UserError where it cannot.
    """
    findings = [
        *_photos(splits, open_photo, tick),
        *_few(splits),
        *_captions(splits, vocabulary, max_length),
        *_dropped(splits, vocabulary, min_count),
        *_leaks(splits),
    ]
    return sorted((finding for finding in findings if finding.count), key=lambda finding: not finding.bad)


def _named(split: str, example: Example) -> str:
    return f"{split} {example.id} ({example.image.name})"


def _all(splits: Splits) -> Iterator[tuple[str, Example]]:
    for split, examples in splits.items():
        for example in examples:
            yield split, example


def _finding(what: str, found: Iterable[str], of: int, bad: bool = False) -> Finding:
    listed = list(found)
    return Finding(what, len(listed), of, listed[:_SHOWN], bad)


def _photos(
    splits: Splits, open_photo: Callable[[Path], Image.Image], tick: Callable[[int, int], None]
) -> list[Finding]:
    """Missing, unreadable, of another size than stated, tiny, far longer than wide, and the same bytes under several names."""
    everything = list(_all(splits))
    there = [(split, example) for split, example in everything if example.image.is_file()]
    missing = [f"{_named(split, one)} at {one.image}" for split, one in everything if not one.image.is_file()]
    unreadable, resized, small, long = [], [], [], []
    copies: dict[str, list[tuple[str, Example]]] = defaultdict(list)
    with ThreadPoolExecutor(_READERS) as pool:
        seen = pool.map(lambda one: _look(one[1].image, open_photo), there)
        for done, ((split, example), (size, digest)) in enumerate(zip(there, seen, strict=True), start=1):
            tick(done, len(there))
            if isinstance(size, str):
                unreadable.append(size)
                continue
            copies[digest].append((split, example))
            either_way = (size, size[::-1])  # what is stated may come before or after EXIF's turn
            if example.size is not None and example.size not in either_way:
                stated = f"{example.size[0]} x {example.size[1]}"
                resized.append(f"{_named(split, example)}: {size[0]} x {size[1]}, stated {stated}")
            if min(size) < _SMALL:
                small.append(f"{_named(split, example)}: {size[0]} x {size[1]}")
            elif max(size) > _LONG_ASPECT * min(size):
                long.append(f"{_named(split, example)}: {size[0]} x {size[1]}")
    across = [group for group in copies.values() if len({split for split, _ in group}) > 1]
    within = [group for group in copies.values() if len(group) > 1 and group not in across]
    total = len(everything)
    return [
        _finding("photos without a file", missing, total, bad=True),
        _finding("photos that cannot be read", unreadable, total, bad=True),
        _finding("photos that are in several splits, byte for byte", map(_group, across), total, bad=True),
        _finding("photos that stand twice in one split, byte for byte", map(_group, within), total),
        _finding("photos of another size than their data set states", resized, total),
        _finding(f"photos with an edge under {_SMALL} pixels", small, total),
        _finding(f"photos more than {_LONG_ASPECT} times as long as wide, of which a crop shows little", long, total),
    ]


def _look(path: Path, open_photo: Callable[[Path], Image.Image]) -> tuple[tuple[int, int] | str, str]:
    """The photo's size, or why it cannot be read; and a digest of its bytes."""
    try:
        return open_photo(path).size, hashlib.sha256(path.read_bytes()).hexdigest()
    except UserError as error:
        return str(error), ""


def _group(group: Sequence[tuple[str, Example]]) -> str:
    return " = ".join(_named(split, example) for split, example in group)


def _captions(splits: Splits, vocabulary: Vocabulary, max_length: int) -> list[Finding]:
    """Without any, empty, too long, repeated among a photo's references; and what the vocabulary drops."""
    everything = list(_all(splits))
    cut = [
        (split, example, caption, vocabulary.split(caption))
        for split, example in everything
        for caption in example.references
    ]
    bare = [(split, one) for split, one in everything if not any(map(vocabulary.split, one.references))]
    empty = [_named(split, one) for split, one, _, words in cut if not words]
    long = [
        f"{_named(split, one)}: {len(words)} words, {caption[:60]!r}..."
        for split, one, caption, words in cut
        if len(words) > max_length
    ]
    repeating = [
        f"{_named(split, one)}: {one.references[0][:60]!r}"
        for split, one in everything
        if len({tuple(vocabulary.split(caption)) for caption in one.references}) < len(one.references)
    ]
    return [
        _finding(
            "photos without a caption that has a word",
            (_named(split, one) for split, one in bare),
            len(everything),
            bad=any(split in ("train", "val") for split, _ in bare),
        ),
        _finding("captions without a word", empty, len(cut)),
        _finding(f"captions of more than {max_length} words, of which training reads the first", long, len(cut)),
        _finding("photos with copies among their references", repeating, len(everything)),
    ]


def _dropped(splits: Splits, vocabulary: Vocabulary, min_count: int) -> list[Finding]:
    """Words that read as <unk>, split by split; bad where training cannot learn to write for them."""
    findings = []
    for split, examples in splits.items():
        words = Counter(word for one in examples for caption in one.references for word in vocabulary.split(caption))
        rare = Counter({word: count for word, count in words.items() if word not in vocabulary.number_of})
        shown = [f"{word} ({count})" for word, count in rare.most_common(_SHOWN)]
        what = f"words of {split} that read as <unk>, with data.min_count={min_count}"
        bad = split == "train" and rare.total() > _TOO_MANY_UNKNOWN * words.total()
        findings.append(Finding(what, rare.total(), words.total(), shown, bad))
    return findings


def _few(splits: Splits) -> list[Finding]:
    """Splits whose scores would be noise."""
    return [
        Finding(f"photos are all that {split} has to score on", len(examples), sum(map(len, splits.values())), [])
        for split, examples in splits.items()
        if split != "train" and 0 < len(examples) < _FEW
    ]


def _leaks(splits: Splits) -> list[Finding]:
    """The same photo, or a caption copied, in training and elsewhere."""
    places: dict[Path, list[tuple[str, Example]]] = defaultdict(list)
    for split, example in _all(splits):
        places[example.image.absolute()].append((split, example))
    shared = [group for group in places.values() if len({split for split, _ in group}) > 1]
    total = sum(map(len, splits.values()))
    findings = [_finding("photos that are in several splits, by name", map(_group, shared), total, bad=True)]
    trained = {caption for example in splits.get("train", []) for caption in example.references}
    for split, examples in splits.items():
        if split != "train":
            copied = [_named(split, one) for one in examples if trained.intersection(one.references)]
            what = f"photos of {split} with a reference that stands word for word in training"
            findings.append(_finding(what, copied, len(examples)))
    return findings
