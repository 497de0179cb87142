"""`captioner.load` and the model that it returns refuse arguments of a wrong type or value, and name them."""

from __future__ import annotations

import pytest
from PIL import Image

import captioner
from captioner.errors import UserError
from captioner.search import BeamSearch

PHOTO = next(iter(captioner.example_photos().values()))


@pytest.fixture(scope="module")
def model():
    return captioner.load("natural")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"run": 3}, "a model is a folder or a name, got 3"),
        ({"run": b"runs/demo"}, "a model is a folder or a name, got b'runs/demo'"),
        ({"overrides": [3]}, "overrides is a list of settings, got"),
        ({"overrides": "search.beams=5"}, "overrides is a list of settings, got 'search.beams=5'"),
    ],
)
def test_another_type_is_named(arguments, error):
    with pytest.raises(TypeError, match=error):
        captioner.load(**{"run": "natural", **arguments})


def test_another_checkpoint_is_named():
    with pytest.raises(UserError, match="checkpoint is best or newest, got 'last'"):
        captioner.load("natural", checkpoint="last")


@pytest.mark.parametrize("wrong", ["beam", BeamSearch])
def test_what_is_no_search_is_named(model, wrong):
    with pytest.raises(TypeError, match=r"a search is one of captioner\.search, such as BeamSearch"):
        model.with_search(wrong)
    assert model.with_search(BeamSearch(2)).search.beams == 2


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_a_photo(model, size):
    with pytest.raises(ValueError, match="batch_size should be at least 1, got"):
        model.captions([PHOTO], batch_size=size)


def test_a_picture_that_cannot_be_read_comes_with_its_error_and_the_others_are_captioned(model):
    (_, caption), (_, error) = model.stream([PHOTO, Image.new("F", (5, 5))])
    assert caption.text
    assert isinstance(error, UserError)
    assert "the picture cannot be read as a photo (its grey values" in str(error)
