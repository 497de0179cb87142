"""Batches of examples: their order in an epoch, their photos and their words.

Shapes: B photos, Q references of one photo, T words, h and w pixels.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from captioner.data.contract import WHOLE, Example, Part
from captioner.errors import UserError
from captioner.regions import Regions
from captioner.text.vocabulary import PAD, Vocabulary

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
]
"""What asks training to stop and save: Ctrl-C, a closed terminal, and what schedulers send. Windows has the first two."""

Photos = Tensor | Regions
"""Pixels (B, 3, h, w) as uint8, or regions computed earlier."""
PhotoSource = Callable[[Sequence[int], Sequence[int]], Photos]
"""Returns the photos of examples, given by index in the split, each in one of its views."""

_POOL = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Batch:
    """Photos with their references, side by side."""

    photos: Photos
    words: Tensor  # (B, Q, T) start token, words, end token, then PAD; a photo with fewer references has rows of PAD
    indices: Sequence[int] = ()  # (B) of the examples in the split
    mirrored: Photos | None = None  # the photos' mirror images, if the objective compares them
    views: Sequence[int] = ()  # (B) of the photos; see `features.sources`

    @property
    def inputs(self) -> Tensor:
        """(B, Q, T - 1): what the decoder reads."""
        return self.words[..., :-1]

    @property
    def targets(self) -> Tensor:
        """(B, Q, T - 1): the next words; PAD after the end token."""
        return self.words[..., 1:]

    @property
    def caption_mask(self) -> Tensor:
        """(B, Q): True = a real reference."""
        return self.words[..., 0] != PAD

    def to(self, device: torch.device) -> Batch:
        mirrored = None if self.mirrored is None else self.mirrored.to(device)
        words = self.words.to(device, non_blocking=True)
        return Batch(self.photos.to(device), words, self.indices, mirrored, self.views)


def encode_references(examples: Sequence[Example], vocabulary: Vocabulary, max_length: int) -> list[list[list[int]]]:
    """The references of each example as numbers of words, longest first, so that a decoder can drop finished captions from the end."""
    encoded = []
    for example in examples:
        captions = [vocabulary.encode(reference, max_length) for reference in example.references]
        captions = sorted((caption for caption in captions if len(caption) > 2), key=len, reverse=True)
        if not captions:
            raise UserError(
                f"photo {example.id} ({example.image}) has no caption with a word in it; remove it or caption it"
            )
        encoded.append(captions)
    return encoded


def pad_words(captions: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """(B, Q, T): the captions of each photo, padded to the largest number and length."""
    num_captions = max(map(len, captions))
    length = max(len(caption) for photo in captions for caption in photo)
    words = torch.full((len(captions), num_captions, length), PAD)
    for row, photo in enumerate(captions):
        for column, caption in enumerate(photo):
            words[row, column, : len(caption)] = torch.tensor(caption)
    return words


def epoch_order(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, by_length: bool = True
) -> list[list[int]]:
    """The batches of an epoch. Every example occurs once; the sizes of batches differ by one photo at most.

    The order depends on the arguments alone. Examples are shuffled. With `by_length` they are then sorted by caption length within pools
    of 50 batches, and the batches are shuffled again. Do not use `by_length` while batch norm is trained: photos with captions of
    similar length look similar, batch norm removes what they share in training, and evaluation has it again.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    num_batches = -(-len(order) // batch_size)
    cuts = [len(order) * cut // num_batches for cut in range(num_batches + 1)]
    if by_length:
        pools = [cuts[start] for start in range(0, num_batches, _POOL)]
        for begin, end in pairwise([*pools, len(order)]):
            order[begin:end] = sorted(order[begin:end], key=lambda index: lengths[index])
    batches = [order[begin:end] for begin, end in pairwise(cuts)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def epoch_photos(parts: Sequence[Part], seed: int, epoch: int) -> list[int]:
    """The photos of an epoch, by index: all of them, or the share of each part of joined data sets, with repeats.

    `parts` gives the part of each photo. The photos of a part stand in a random order that is repeated without end. Each epoch takes as
    many as its share says, and the next epoch goes on from there; so over the epochs each photo of a part is taken equally often.
    """
    chosen: list[int] = []
    for part, photos in _by_part(parts):
        if part.share == 1:
            chosen += photos
            continue
        generator = torch.Generator().manual_seed(seed * 1_000_003)
        order = torch.randperm(len(photos), generator=generator).tolist()
        count = part.epoch_size(len(photos))
        chosen += [photos[order[place % len(photos)]] for place in range(count * epoch, count * (epoch + 1))]
    return sorted(chosen)


def _by_part(parts: Sequence[Part]) -> list[tuple[Part, list[int]]]:
    """Each part with its photos, given the part of each photo."""
    photos_of: dict[str, list[int]] = {}
    for photo, part in enumerate(parts):
        photos_of.setdefault(part.name, []).append(photo)
    return [(parts[photos[0]], photos) for photos in photos_of.values()]


def _epoch_sizes(parts: Sequence[Part], visits: Sequence[int]) -> range:
    """How often an epoch visits photos, from the fewest to the most: epochs draw a share of a part, whose photos may differ in visits."""
    fewest = most = 0
    for part, photos in _by_part(parts):
        own = sorted(visits[photo] for photo in photos)
        rounds, rest = divmod(part.epoch_size(len(own)), len(own))
        fewest += rounds * sum(own) + sum(own[:rest])
        most += rounds * sum(own) + sum(own[len(own) - rest :])
    return range(fewest, most + 1)


class CaptionedPhotos(Dataset[Batch]):
    """A split as a data set whose items are whole batches: `photos[[3, 1, 4]]`.

    In a batch, photos are sorted by their longest reference, and the references of a photo by length: decoders drop finished captions
    from the end. `by_length` puts photos with captions of similar length into the same batch; see `epoch_order`. Each epoch draws one of
    `num_views` views of every photo. `parts` gives the part of each photo of joined data sets; an epoch takes the share of each; see
    `epoch_photos`. `mirrored`: batches also hold the other one of two views, a photo and its mirror image. `per_photo` is the largest
    number of captions that a batch has of one photo (0: all of them); an epoch visits a photo until all of them are read.

    An item is a photo in a view with some of its captions: its index plus the number of photos times (view + num_views * visit), where
    visit numbers the visits of an epoch to the photo.
    """

    def __init__(
        self,
        source: PhotoSource,
        captions: list[list[list[int]]],
        by_length: bool = True,
        num_views: int = 1,
        parts: Sequence[Part] | None = None,
        mirrored: bool = False,
        per_photo: int = 0,
    ):
        self.source = source
        self.mirrored = mirrored
        self.by_length = by_length
        self.num_views = num_views
        self.captions = captions
        self.parts = parts or [WHOLE] * len(captions)
        self.visits = [-(-len(own) // per_photo) if per_photo else 1 for own in captions]  # in an epoch
        self.epoch_sizes = _epoch_sizes(self.parts, self.visits)

    def __len__(self) -> int:
        return len(self.captions)

    def order(self, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
        photos = epoch_photos(self.parts, seed, epoch)
        visits = [(photo, visit) for photo in photos for visit in range(self.visits[photo])]
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        views = torch.randint(self.num_views, (len(visits),), generator=generator).tolist()
        items = [
            photo + len(self) * (view + self.num_views * visit)
            for (photo, visit), view in zip(visits, views, strict=True)
        ]
        lengths = [self._length(item) for item in items]
        batches = epoch_order(lengths, batch_size, seed, epoch, self.by_length)
        return [[items[place] for place in batch] for batch in batches]

    def __getitem__(self, items: list[int]) -> Batch:
        try:
            return self._batch(items)
        except UserError as error:
            if get_worker_info() is None:
                raise
            return error  # pyright: ignore[reportReturnType]  # raised by `batches`; torch would wrap it in a traceback

    def _batch(self, items: list[int]) -> Batch:
        items = sorted(items, key=self._length, reverse=True)
        photos = [item % len(self) for item in items]
        views = [item // len(self) % self.num_views for item in items]
        mirrored = self.source(photos, [1 - view for view in views]) if self.mirrored else None
        words = pad_words([self.captions_of(item) for item in items])
        return Batch(self.source(photos, views), words, photos, mirrored, views)

    def captions_of(self, item: int) -> list[list[int]]:
        """The captions that belong to an item: all of the photo, or those of one visit, which are of all lengths."""
        photo, visit = item % len(self), item // (len(self) * self.num_views)
        return self.captions[photo][visit :: self.visits[photo]]

    def _length(self, item: int) -> int:
        """Of its longest caption."""
        return len(self.captions_of(item)[0])

    def batches(self, order: list[list[int]], workers: int = 0) -> Iterator[Batch]:
        """The batches of an order, read by `workers` processes beside this one."""
        loader = DataLoader(
            self,
            sampler=order,
            batch_size=None,
            num_workers=workers,
            collate_fn=None,
            worker_init_fn=_leave_signals,
        )
        return _or_error(iter(loader))  # made now: it draws a random number, which a step must not do


def _or_error(batches: Iterator[Batch | UserError]) -> Iterator[Batch]:
    """The batches; an error in place of one is raised."""
    for batch in batches:
        if isinstance(batch, UserError):
            raise batch
        yield batch


def _leave_signals(worker: int) -> None:
    """Ignore signals to stop: the training process handles them, saves, and then ends its workers."""
    for name in STOP_SIGNALS:
        signal.signal(name, signal.SIG_IGN)
