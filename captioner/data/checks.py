"""Checks of a data set before training.

A finding says what it is and how often it occurs, with the first examples. `bad` findings prevent or spoil training; the others are notes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from captioner.data import copies
from captioner.data.contract import NEEDED, Example, Splits
from captioner.errors import UserError
from captioner.text.tokens import leaves_whole
from captioner.text.vocabulary import Vocabulary

_SHOWN, _SHOWN_TO_ACT, _READERS = 3, 20, 4
_TAKE_OUT = "scores on the other split are too good; see `captioner doctor --leave-out FILE` and data.leave_out=FILE"
_IN_NO_TRAINING = "none is in train; take them out of one of the two splits"
_SMALL = 32  # pixels; smaller photos show little
_LONG_ASPECT, _FEW = 4, 30  # photos
_TOO_MANY_UNKNOWN = 0.2  # of the words of training


@dataclass(frozen=True)
class Finding:
    """One result of the checks."""

    what: str
    count: int
    of: int
    examples: list[str]
    bad: bool = False
    advice: str = ""
    copies: tuple[str, ...] = ()  # ids of training photos that are in another split too


def examine(
    splits: Splits,
    vocabulary: Vocabulary,
    min_count: int,
    max_length: int,
    open_photo: Callable[[Path], Image.Image],
    tick: Callable[[int, int], None] = lambda done, total: None,
    skip_missing: bool = False,
) -> list[Finding]:
    """The result of every check, bad ones first; the count of most is 0. Reads every photo.

    Args:
        splits: examples whose photos may be missing.
        vocabulary: what training would use.
        min_count: how often a word must occur in the training captions to be in the vocabulary.
        max_length: longest caption in training, in words.
        open_photo: reads a photo; raises UserError if it cannot be read.
        tick: called with the number of photos done and the number of all.
        skip_missing: whether training leaves out photos without a file.
    """
    findings = [
        *_photos(splits, open_photo, tick, skip_missing),
        *_few(splits),
        *_captions(splits, vocabulary, max_length),
        *_dropped(splits, vocabulary, min_count),
        *_leaks(splits),
    ]
    return sorted(findings, key=lambda finding: not finding.bad)


def _named(split: str, example: Example) -> str:
    return f"{split} {example.id} ({example.image.name})"


def _all(splits: Splits) -> Iterator[tuple[str, Example]]:
    for split, examples in splits.items():
        for example in examples:
            yield split, example


def _finding(what: str, cases: Iterable[str], of: int, bad: bool = False, advice: str = "") -> Finding:
    listed = list(cases)
    return Finding(what, len(listed), of, listed[: _SHOWN_TO_ACT if advice else _SHOWN], bad, advice)


@dataclass(frozen=True)
class _ReadPhoto:
    """A photo that can be read."""

    split: str
    example: Example
    size: tuple[int, int]
    digest: str  # of its bytes
    fingerprint: Tensor | None  # None if the photo has no contrast

    def __str__(self) -> str:
        return f"{_named(self.split, self.example)}: {self.size[0]} x {self.size[1]}"


def _photos(
    splits: Splits, open_photo: Callable[[Path], Image.Image], tick: Callable[[int, int], None], skip_missing: bool
) -> list[Finding]:
    """Photos that are missing, unreadable, resized, tiny, very elongated, or identical to another photo."""
    examples = list(_all(splits))
    lacking = [(split, example) for split, example in examples if not example.has_file]
    present = [(split, example) for split, example in examples if example.has_file]
    empty = {(split, of.part.name) for split, of in lacking} - {(split, of.part.name) for split, of in present}
    skipped = all(of.part.skips_missing(skip_missing) for _, of in lacking)
    bad = not skipped or any(split in NEEDED for split, _ in empty)
    photos, unreadable = _read_photos(present, open_photo, tick)
    found = copies.find([(photo.split, photo.digest, photo.fingerprint) for photo in photos])
    across, within, alike = (
        [[(photos[i].split, photos[i].example) for i in one] for one in groups] for groups in found
    )
    resized = [
        f"{photo}, stated {' x '.join(map(str, photo.example.size or ()))}" for photo in photos if _is_resized(photo)
    ]
    small = [str(photo) for photo in photos if min(photo.size) < _SMALL]
    long = [str(photo) for photo in photos if max(photo.size) > _LONG_ASPECT * min(photo.size) >= _LONG_ASPECT * _SMALL]
    total = len(examples)
    return [
        _finding("photos without a file", [f"{_named(split, of)} at {of.image}" for split, of in lacking], total, bad),
        _finding("photos that cannot be read", unreadable, total, bad=True),
        _in_several_splits("byte for byte", across, total),
        _in_several_splits("resized or compressed", alike, total),
        _finding("photos that occur twice in one split, byte for byte", map(_group, within), total),
        _finding("photos of another size than their data set states", resized, total),
        _finding(f"photos with an edge under {_SMALL} pixels", small, total),
        _finding(f"photos more than {_LONG_ASPECT} times as long as wide, a crop of which shows little", long, total),
    ]


def _read_photos(
    photos: Sequence[tuple[str, Example]],
    open_photo: Callable[[Path], Image.Image],
    tick: Callable[[int, int], None],
) -> tuple[list[_ReadPhoto], list[str]]:
    """The photos that can be read, and the reasons why the others cannot."""
    readable, unreadable = [], []
    with ThreadPoolExecutor(_READERS) as pool:
        results = pool.map(lambda photo: _read_photo(photo[1].image, open_photo), photos)
        for done, ((split, example), read) in enumerate(zip(photos, results, strict=True), start=1):
            tick(done, len(photos))
            if isinstance(read, str):
                unreadable.append(read)
            else:
                readable.append(_ReadPhoto(split, example, *read))
    return readable, unreadable


def _read_photo(
    path: Path, open_photo: Callable[[Path], Image.Image]
) -> tuple[tuple[int, int], str, Tensor | None] | str:
    """The size of a photo, a digest of its bytes and its fingerprint; or the reason why it cannot be read."""
    try:
        photo = open_photo(path)
        return photo.size, hashlib.sha256(path.read_bytes()).hexdigest(), copies.fingerprint(photo)
    except UserError as error:
        return str(error)


def _in_several_splits(how: str, groups: Sequence[Sequence[tuple[str, Example]]], total: int) -> Finding:
    ids = tuple(str(example.id) for group in groups for split, example in group if split == "train")
    advice = _TAKE_OUT if ids else _IN_NO_TRAINING
    finding = _finding(f"photos that are in several splits, {how}", map(_group, groups), total, True, advice)
    return replace(finding, copies=ids)


def _is_resized(photo: _ReadPhoto) -> bool:
    """Whether the stated size is wrong. It may be the size before or after the EXIF rotation."""
    return photo.example.size is not None and photo.example.size not in (photo.size, photo.size[::-1])


def _group(group: Sequence[tuple[str, Example]]) -> str:
    return " = ".join(_named(split, example) for split, example in group)


def _captions(splits: Splits, vocabulary: Vocabulary, max_length: int) -> list[Finding]:
    """Photos without captions; captions that are empty or too long, or repeat another reference of the photo."""
    examples = list(_all(splits))
    captions = [
        (_named(split, example), text, vocabulary.split(text))
        for split, example in examples
        for text in example.references
    ]
    wordless = [(split, example) for split, example in examples if not any(map(vocabulary.split, example.references))]
    needed, total = any(split in NEEDED for split, _ in wordless), len(captions)
    empty = [name for name, _, words in captions if not words]
    long = [
        f"{name}: {len(words)} words, {text[:60]!r}..." for name, text, words in captions if len(words) > max_length
    ]
    uncut = [f"{name}: {text[:60]!r}" for name, text, _ in captions if leaves_whole(text, vocabulary.tokens)]
    repeating = [
        f"{_named(split, example)}: {example.references[0][:60]!r}"
        for split, example in examples
        if len({tuple(vocabulary.split(text)) for text in example.references}) < len(example.references)
    ]
    return [
        _finding(
            "photos without a caption that has a word", [_named(*pair) for pair in wordless], len(examples), bad=needed
        ),
        _finding("captions without a word", empty, len(captions)),
        _finding("captions without spaces; set data.tokens=characters", uncut, total, 5 * len(uncut) > total),
        _finding(f"captions of more than {max_length} words, which training cuts off", long, len(captions)),
        _finding("photos with copies among their references", repeating, len(examples)),
    ]


def _dropped(splits: Splits, vocabulary: Vocabulary, min_count: int) -> list[Finding]:
    """Words that are read as <unk>, by split; bad if there are too many in training."""
    findings = []
    for split, examples in splits.items():
        captions = (caption for example in examples for caption in example.references)
        words = Counter(word for caption in captions for word in vocabulary.split(caption))
        rare = Counter({word: count for word, count in words.items() if word not in vocabulary.number_of})
        shown = [f"{word} ({count})" for word, count in rare.most_common(_SHOWN)]
        what = f"words of {split} that are read as <unk>, with data.min_count={min_count}"
        bad = split == "train" and rare.total() > _TOO_MANY_UNKNOWN * words.total()
        findings.append(Finding(what, rare.total(), words.total(), shown, bad))
    return findings


def _few(splits: Splits) -> list[Finding]:
    """Splits that are too small for meaningful scores."""
    return [
        Finding(f"photos in {split}, too few for meaningful scores", len(examples), sum(map(len, splits.values())), [])
        for split, examples in splits.items()
        if split != "train" and 0 < len(examples) < _FEW
    ]


def _leaks(splits: Splits) -> list[Finding]:
    """Photos and captions of training that are in another split too."""
    by_path: dict[Path, list[tuple[str, Example]]] = defaultdict(list)
    for split, example in _all(splits):
        by_path[example.image.absolute()].append((split, example))
    shared = [group for group in by_path.values() if len({split for split, _ in group}) > 1]
    total = sum(map(len, splits.values()))
    findings = [_in_several_splits("by name", shared, total)]
    trained = {caption for example in splits.get("train", []) for caption in example.references}
    for split, examples in splits.items():
        if split != "train":
            copied = [_named(split, example) for example in examples if trained.intersection(example.references)]
            what = f"photos of {split} with a reference that is in training, word for word"
            findings.append(_finding(what, copied, len(examples)))
    return findings
