"""A data set that someone adds: what its function returns is checked."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from captioner.data.contract import Example, check_splits
from captioner.errors import UserError

PHOTO = Path("a.jpg")


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (None, r"should return \{split: \[Example, ...\]\}, got None"),
        ([Example(1, PHOTO, ["a dog"])], r"should return \{split: \[Example, ...\]\}, got \[Example"),
        ({"train": [(1, PHOTO, ["a dog"])]}, r"each photo as Example\(id, image, references\)"),
        ({"train": [Example(1, PHOTO, "a dog")]}, r"a Path and a list of texts, got Example\(id=1"),
        ({"train": [Example(1, "a.jpg", ["a dog"])]}, r"a Path and a list of texts, got Example\(id=1"),
        ({"train": [Example(1, PHOTO, ["a dog", None])]}, r"a Path and a list of texts, got Example\(id=1"),
        ({"train": [Example(numpy.int64(1), PHOTO, ["a dog"])]}, r"with a Python int or str, a Path"),
        ({"train": [Example(1, PHOTO, []), Example(1, Path("b.jpg"), [])]}, "should have different ids, got 1 for"),
    ],
)
def test_what_is_no_data_set_is_named(returned, error):
    with pytest.raises(UserError, match=error):
        check_splits(returned)


def test_a_data_set_is_accepted():
    check_splits({"train": [Example(1, PHOTO, ["a dog"]), Example("2", PHOTO, [])], "val": []})
