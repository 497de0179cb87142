"""A baseline that copies from the most similar training photos."""

from __future__ import annotations

import torch

from captioner.metrics import neighbours_captions

TRAIN = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])


def test_the_nearest_photos_most_frequent_caption_is_taken():
    references = [["a dog", "one dog"], ["One dog."], ["a cat"]]
    photos = torch.tensor([[5.0, 0.1], [0.0, 0.1]])
    assert neighbours_captions(photos, TRAIN, references, num_neighbours=2) == ["one dog", "a cat"]
    assert neighbours_captions(photos, TRAIN, references, num_neighbours=1) == ["a dog", "a cat"]


def test_where_no_caption_stands_twice_it_is_the_nearest_photos_first():
    references = [["a dog", "some dog"], ["the dog"], ["a cat", "the cat"]]
    assert neighbours_captions(torch.tensor([[0.0, 2.0]]), TRAIN, references) == ["a cat"]


def test_captions_without_words_are_not_copied():
    assert neighbours_captions(torch.tensor([[0.0, 1.0]]), TRAIN, [["x"], ["y"], ["..."]], num_neighbours=1) == [""]
    assert neighbours_captions(torch.tensor([[0.0, 1.0]]), TRAIN, [["x"], ["y"], ["..."]], num_neighbours=2) == ["y"]
