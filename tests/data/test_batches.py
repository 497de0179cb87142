"""The order of an epoch, and the content of a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captioner.data.batches import CaptionedPhotos, encode_references, epoch_order, pad_words
from captioner.data.contract import Example
from captioner.errors import UserError
from captioner.text.vocabulary import END, PAD, START, UNK, Vocabulary

WORDS = Vocabulary(["a", "red", "circle"])


@given(st.lists(st.integers(3, 20), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 5), st.booleans())
def test_an_epoch_has_every_photo_once_in_batches_of_similar_size(lengths, batch_size, epoch, by_length):
    order = epoch_order(lengths, batch_size, 0, epoch, by_length)
    assert sorted(index for batch in order for index in batch) == list(range(len(lengths)))
    sizes = {len(batch) for batch in order}
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) == len(lengths) // len(order)


def test_the_order_follows_from_seed_and_epoch_alone():
    lengths = list(range(3, 103))
    assert epoch_order(lengths, 8, 1, 2) == epoch_order(lengths, 8, 1, 2)
    assert epoch_order(lengths, 8, 1, 2) != epoch_order(lengths, 8, 1, 3)
    assert epoch_order(lengths, 8, 1, 2) != epoch_order(lengths, 8, 2, 2)


def test_by_length_batches_captions_of_similar_length():
    lengths = [number % 20 + 3 for number in range(400)]
    spreads = {}
    for by_length in (True, False):
        batches = epoch_order(lengths, 8, 0, 0, by_length)
        spreads[by_length] = sum(max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches) / len(
            batches
        )
    assert spreads[True] < 2 < 10 < spreads[False]


def test_references_are_encoded_longest_first_with_unknown_words_marked():
    example = Example(7, Path("photo.png"), ["circle", "A red, BLUE circle!", "..."])
    assert encode_references([example], WORDS, 50) == [[[START, 4, 5, UNK, 6, END], [START, 6, END]]]
    assert encode_references([example], WORDS, 2)[0][0] == [START, 4, 5, END]


def test_a_photo_without_a_word_is_named():
    with pytest.raises(UserError, match="photo 7"):
        encode_references([Example(7, Path("photo.png"), ["...", ""])], WORDS, 50)


def test_a_batch_sorts_captions_by_length_and_pads_them():
    captions = [[[START, 4, END]], [[START, 4, 5, END], [START, 4, END]]]
    batch = CaptionedPhotos(lambda indices, views: torch.tensor(indices)[:, None], captions)[[0, 1]]
    assert batch.photos.flatten().tolist() == [1, 0]
    assert batch.words.tolist() == [
        [[START, 4, 5, END], [START, 4, END, PAD]],
        [[START, 4, END, PAD], [PAD] * 4],
    ]
    assert batch.caption_mask.tolist() == [[True, True], [True, False]]
    assert batch.targets[0, 0].tolist() == [4, 5, END]


def test_batches_come_in_the_order_asked_for():
    photos = CaptionedPhotos(lambda indices, views: torch.tensor(indices)[:, None], [[[START, 4, END]]] * 5)
    assert [batch.photos.flatten().tolist() for batch in photos.batches([[3], [1, 4]])] == [[3], [1, 4]]


def test_an_epoch_draws_a_view_of_every_photo_and_draws_it_again_when_repeated():
    captions = [[[START, 4, END]]] * 40
    photos = CaptionedPhotos(lambda indices, views: torch.tensor([indices, views]).T, captions, num_views=8)
    seen = torch.cat([batch.photos for batch in photos.batches(photos.order(8, seed=0, epoch=3))])
    assert sorted(seen[:, 0].tolist()) == list(range(40))
    assert len(set(seen[:, 1].tolist())) > 4
    assert photos.order(8, seed=0, epoch=3) == photos.order(8, seed=0, epoch=3)
    first, second = (
        dict(divmod(item, 40)[::-1] for batch in photos.order(8, 0, epoch) for item in batch) for epoch in (0, 1)
    )
    assert first.keys() == second.keys()
    assert first != second


@pytest.mark.parametrize("per_photo", [1, 2, 3, 7])
def test_an_epoch_of_few_captions_of_a_photo_at_a_time_has_every_caption_once(per_photo):
    captions = [[[START, *[4] * length, END] for length in range(1 + photo % 5, 0, -1)] for photo in range(40)]
    pixels = lambda indices, views: torch.tensor([indices, views]).T  # noqa: E731
    photos = CaptionedPhotos(pixels, captions, num_views=2, per_photo=per_photo)
    order = photos.order(8, seed=0, epoch=1)
    total = sum(-(-len(own) // per_photo) for own in captions)
    assert photos.epoch_sizes == range(total, total + 1)
    assert sum(map(len, order)) == total
    seen, views = [], set()
    for items, batch in zip(order, photos.batches(order), strict=True):
        assert max(batch.caption_mask.sum(1)) <= per_photo
        assert sorted(batch.photos[:, 0].tolist()) == sorted(item % 40 for item in items)
        views |= set(batch.photos[:, 1].tolist())
        lengths = (batch.words == 4).sum(2)
        seen += [
            (photo, length)
            for photo, own in zip(batch.indices, lengths.tolist(), strict=True)
            for length in own
            if length
        ]
        assert lengths.sort(1, descending=True).values.equal(lengths)
        assert lengths[:, 0].sort(descending=True).values.equal(lengths[:, 0])
        of_items = sorted(len(caption) - 2 for item in items for caption in photos.captions_of(item))
        assert of_items == sorted(length for length in lengths.flatten().tolist() if length)
    assert sorted(seen) == sorted((photo, len(caption) - 2) for photo, own in enumerate(captions) for caption in own)
    assert views == {0, 1}


def test_padding_is_pad():
    assert pad_words([[[1, 2]], [[1]]]).tolist() == [[[1, 2]], [[1, PAD]]]
