"""What has changed in the data since a run was started."""

from __future__ import annotations

import dataclasses
import os
import shutil

import numpy
import pytest

from captioner.data import changes
from captioner.data.changes import changes_since, write_digests
from captioner.data.contract import Example
from captioner.errors import UserError


@pytest.fixture
def splits(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        (photos / f"{number}.jpg").write_bytes(bytes([number]) * 10_000)
    examples = [Example(number, photos / f"{number}.jpg", [f"a dog {number}", "a cat"]) for number in range(8)]
    return {"train": examples[:5], "val": examples[5:7], "test": examples[7:]}


def test_what_has_changed_is_counted_and_named(splits, tmp_path):
    path = tmp_path / "data_digests.npz"
    write_digests(path, splits)
    assert changes_since(path, splits) == ""
    train = list(splits["train"])
    train[0] = dataclasses.replace(train[0], references=["a horse", "a cat"])
    train[1] = dataclasses.replace(train[1], references=train[1].references[:1])
    train[2].image.write_bytes(b"\xff" * 10_000)  # of the same size
    val = [splits["val"][1], Example(99, splits["val"][0].image, ["new"])]
    assert changes_since(path, {"train": train, "val": val, "test": []}) == (
        "2 photos of train with other captions (first 0.jpg), 1 photo of train replaced (first 2.jpg), "
        "1 photo of val added (first 5.jpg), 1 photo of val missing"
    )


def test_copies_and_the_order_do_not_count(splits, tmp_path):
    path = tmp_path / "data_digests.npz"
    write_digests(path, splits)
    shutil.copytree(tmp_path / "photos", tmp_path / "copy")
    for photo in (tmp_path / "copy").iterdir():
        os.utime(photo, (0, 0))
    moved = {
        split: [
            Example(example.id, tmp_path / "copy" / example.image.name, example.references[::-1])
            for example in reversed(examples)
        ]
        for split, examples in splits.items()
    }
    assert changes_since(path, moved) == ""


def test_photos_of_a_large_data_set_are_not_opened(splits, tmp_path, monkeypatch):
    path = tmp_path / "data_digests.npz"
    write_digests(path, splits)
    monkeypatch.setattr(changes, "_MOST_OPENED", 6)
    monkeypatch.setattr(changes, "_ends", None)
    assert changes_since(path, splits) == ""  # sizes are the same
    splits["train"][0].image.write_bytes(b"smaller")
    assert "1 photo of train replaced (first 0.jpg)" in changes_since(path, splits)


def test_a_damaged_file_is_named(splits, tmp_path):
    path = tmp_path / "data_digests.npz"
    for damaged in (b"", b"PK\x03\x04", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"data_digests\.npz should be .*delete it"):
            changes_since(path, splits)
    numpy.savez(path, train_ids=numpy.zeros(3))
    with pytest.raises(UserError, match=r"data_digests\.npz should be .*delete it"):
        changes_since(path, splits)
