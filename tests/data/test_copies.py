"""Photos of two splits that show the same picture are found, in another size or compression too, and no others."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageFilter

from captioner.data import copies
from captioner.data.checks import examine
from captioner.data.contract import Example, Part
from captioner.data.drawn import drawn
from captioner.encoders.preprocess import open_photo
from captioner.text.vocabulary import Vocabulary


def picture(seed: int) -> Image.Image:
    """Soft coloured patches, as a photo has."""
    noise = numpy.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=numpy.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).filter(ImageFilter.SHARPEN)


def findings(folder, train: Image.Image, val: Image.Image, **options) -> dict[str, tuple[list[str], bool]]:
    """What is found if one photo is in train of a part, and the other, a JPEG, in val of another."""
    train.save(folder / "a.png")
    val.save(folder / "b.jpg", quality=options.pop("quality", 90))
    splits = {
        "train": [Example("one/1", folder / "a.png", ["a dog"], part=Part("one"))],
        "val": [Example("two/1", folder / "b.jpg", ["a cat"], part=Part("two"))],
    }
    results = examine(splits, Vocabulary(["a", "dog", "cat"]), 1, 9, open_photo, **options)
    return {one.what: (one.examples, one.bad) for one in results if one.count and "too few" not in one.what}


ALIKE = "photos that are in several splits, resized or compressed"


@pytest.mark.parametrize("change", ["compressed", "smaller", "squashed"])
def test_a_copy_in_another_size_or_compression_is_found(change, tmp_path):
    photo = picture(0)
    size = {"compressed": photo.size, "smaller": (140, 105), "squashed": (224, 224)}[change]
    found = findings(tmp_path, photo, photo.resize(size), quality=40)
    assert found == {ALIKE: (["train one/1 (a.png) = val two/1 (b.jpg)"], True)}


def test_other_photos_and_photos_without_contrast_are_no_copies(tmp_path):
    assert findings(tmp_path, picture(0), picture(1)) == {}
    grey = Image.new("RGB", (64, 64), (90, 90, 90))
    assert findings(tmp_path, grey, grey.resize((80, 80))) == {}


def test_drawn_pictures_that_resemble_each_other_are_no_copies(tmp_path):
    splits = drawn(str(tmp_path / "drawn"), num_train=60, num_val=20, num_unseen=1)
    photos = [(split, str(example.image), copies.fingerprint(Image.open(example.image)))
              for split, examples in splits.items() for example in examples]  # fmt: skip
    assert copies.find(photos) == ([], [], [])


@pytest.mark.parametrize(("skip", "of_part"), [(True, None), (False, "skip"), (True, "error")])
def test_missing_photos_are_a_note_where_training_leaves_them_out(skip, of_part, tmp_path):
    picture(0).save(tmp_path / "there.png")
    part = Part("one", missing=of_part)
    examples = [Example(f"one/{name}", tmp_path / f"{name}.png", ["a dog"], part=part) for name in ("there", "none")]
    for train, bad in ((examples, of_part == "error"), (examples[1:], True)):  # without any photo there is no training
        results = examine({"train": train}, Vocabulary(["a", "dog"]), 1, 9, open_photo, skip_missing=skip)
        (missing,) = [one for one in results if one.what == "photos without a file"]
        assert (missing.count, missing.bad) == (1, bad)
