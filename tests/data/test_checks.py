"""The checks report planted faults, and nothing in a sound data set."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from PIL import Image

from captioner.data.checks import examine
from captioner.data.contract import Example
from captioner.encoders.preprocess import open_photo
from captioner.text.vocabulary import Vocabulary
from tests.pages import DOCS, table


@pytest.fixture
def splits(tmp_path):
    """Six different photos, each with two captions of known words."""
    examples = []
    for number in range(6):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"{number}.png")
        references = [f"a dog {number}", f"a cat {number}"]
        examples.append(Example(number, tmp_path / f"{number}.png", references, (48, 64) if number % 2 else None))
    return {"train": examples[:4], "val": examples[4:]}


def findings(splits) -> dict[str, tuple[int, bool]]:
    vocabulary = Vocabulary(["a", "dog", "cat", *map(str, range(6))])
    results = examine(splits, vocabulary, 1, 5, open_photo)
    return {finding.what: (finding.count, finding.bad) for finding in results if finding.count}


def test_a_sound_data_set_has_no_findings(splits):
    assert findings(splits) == {"photos in val, too few for meaningful scores": (2, False)}


def broken(splits, kind: str) -> None:
    train, photo = splits["train"], splits["train"][0].image
    if kind == "missing":
        photo.unlink()
    elif kind == "unreadable":
        photo.write_bytes(b"")
    elif kind == "copied file":
        splits["val"][0].image.write_bytes(photo.read_bytes())
    elif kind == "twice":
        train[1].image.write_bytes(photo.read_bytes())
    elif kind == "small":
        Image.new("RGB", (31, 40)).save(photo)
    elif kind == "long":
        Image.new("RGB", (400, 40)).save(photo)
    elif kind == "resized":
        train[0] = replace(train[0], size=(640, 480))
    elif kind == "leak":
        splits["val"].append(train[0])
    elif kind == "bare":
        train[0].references.clear()
    else:
        train[0].references[0] = {
            "empty": " ... ",
            "lengthy": "a dog a cat a dog 0",
            "copy": "A cat 0.",
            "rare": "a zebu",
        }[kind]


BROKEN = {
    "missing": ("photos without a file", True),
    "unreadable": ("photos that cannot be read", True),
    "copied file": ("photos that are in several splits, byte for byte", True),
    "twice": ("photos that occur twice in one split, byte for byte", False),
    "small": ("photos with an edge under 32 pixels", False),
    "long": ("photos more than 4 times as long as wide, a crop of which shows little", False),
    "resized": ("photos of another size than their data set states", False),
    "leak": ("photos that are in several splits, by name", True),
    "bare": ("photos without a caption that has a word", True),
    "empty": ("captions without a word", False),
    "lengthy": ("captions of more than 5 words, which training cuts off", False),
    "copy": ("photos with copies among their references", False),
    "rare": ("words of train that are read as <unk>, with data.min_count=1", False),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_planted_faults_are_reported(splits, kind):
    broken(splits, kind)
    what, bad = BROKEN[kind]
    assert findings(splits)[what] == (1, bad)


@pytest.mark.parametrize(("split", "gone", "bad"), [("val", 1, False), ("val", 2, True), ("test", 2, False)])
def test_photos_to_leave_out_are_a_note_unless_training_needs_a_split_that_has_no_others(splits, split, gone, bad):
    splits["test"] = splits["val"] if split == "test" else []
    splits["val"] = splits["train"] if split == "test" else splits["val"]
    for example in splits[split][:gone]:
        example.image.unlink()
    found = examine(splits, Vocabulary(["a", "dog"]), 1, 5, open_photo, skip_missing=True)
    assert next(finding.bad for finding in found if finding.what == "photos without a file") == bad


def test_the_guide_lists_every_check(splits):
    """The first column is the finding as printed, with SPLIT and N for names and numbers; the second says whether it is bad."""
    vocabulary = Vocabulary(["a", "dog", "cat"])
    results = examine(splits, vocabulary, 7, 9, open_photo)
    printed = {re.sub(r"\b(train|val)\b", "SPLIT", re.sub(r"\b[79]\b", "N", one.what)): one.bad for one in results}
    rows = {finding.replace("`", ""): bad for finding, bad in table(DOCS / "guide" / "data.md", "finding")}
    assert len(rows) > 10
    assert set(rows) == set(printed)
    assert [what for what, bad in rows.items() if bad == "yes" and not printed[what]] == []
    assert [what for what, bad in rows.items() if bad.startswith("no") and printed[what]] == []


def test_references_copied_from_training_are_counted(splits):
    splits["val"][1].references.append("a dog 0")
    assert findings(splits)["photos of val with a reference that is in training, word for word"] == (1, False)
