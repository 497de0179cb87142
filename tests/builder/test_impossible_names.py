"""Names that no file can have are answered as missing files are."""

from __future__ import annotations

import json

import pytest

from captioner import builder
from captioner.commands.caption.photos import find_photos
from captioner.data.contract import clean
from captioner.errors import UserError
from tests.helpers import CONFIGS, DRAWN

LONG = "x" * 300


def test_settings_with_names_that_are_too_long(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"base: {LONG}\n", encoding="utf-8")
    for use in (
        lambda: builder.read(path),
        lambda: builder.read(tmp_path / LONG),
        lambda: builder.load(tmp_path / LONG),
        lambda: builder.make_all_splits(builder.read(DRAWN, [f"data.root={LONG}"])),
        lambda: builder.make_all_splits(
            builder.read(CONFIGS / "own_photos.yaml", [f"data.root={tmp_path}", f"data.captions={LONG}"])
        ),
    ):
        with pytest.raises(UserError, match=r"name is too long|File name too long") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_photos_with_names_that_are_too_long_are_missing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    images = [{"id": number, "file_name": name} for number, name in enumerate(["a.jpg", LONG, "\0"])]
    annotations = [{"id": number, "image_id": number, "caption": "a dog"} for number in range(3)]
    for split in ("train", "val"):
        (tmp_path / f"captions_{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    options = ["data.kind=coco", f"data.root={tmp_path}", "data.images=.", "data.missing=skip"]
    splits, missing = builder.make_splits(builder.read(DRAWN, options))
    assert (len(splits["train"]), len(missing)) == (1, 4)
    assert len(find_photos([str(tmp_path / "a.jpg"), LONG])) == 2


@pytest.mark.timeout(20)
def test_a_letter_with_very_many_marks_is_read():
    """Sorting the marks of a letter takes the square of their number."""
    marks = "\u0301\u0323" * 300_000
    assert len(clean(f"a{marks} dog")) > 600_000
    assert clean("e\u0301a  n\u0303") == "\u00e9a \u00f1"
