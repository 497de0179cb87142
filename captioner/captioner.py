"""Captions of photos, with one call: a trained model, its vocabulary and a search.

Shapes: B photos, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from captioner.attention import Memory
from captioner.encoders import Encoder
from captioner.encoders.preprocess import Photo, open_photo
from captioner.errors import UserError
from captioner.features.sources import read_ahead
from captioner.model import CaptionModel, evaluating
from captioner.regions import Placement, Regions
from captioner.search.hypotheses import Hypothesis
from captioner.search.result import Caption
from captioner.search.steps import Search, write
from captioner.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from captioner.ensemble import Ensemble
    from captioner.features.training_photos import TrainingPhotos


@dataclass(frozen=True)
class Captioner:
    """Captions photos.

    Examples:
        >>> model = captioner.load("runs/demo")
        >>> model.caption("picture.png").text
        >>> [caption.text for caption in model.captions(["one.png", "two.png"])]
    """

    model: CaptionModel | Ensemble
    vocabulary: Vocabulary
    search: Search
    precision: torch.dtype = torch.float32
    training_photos: TrainingPhotos | None = None  # of a packed model

    def with_search(self, search: Search) -> Captioner:
        """The same model with another way of decoding, such as `captioner.search.BeamSearch(5)`."""
        if isinstance(search, type) or not callable(search):
            raise TypeError(f"a search is one of captioner.search, such as BeamSearch(5), got {search!r}; make one")
        return replace(self, search=search)

    @property
    def device(self) -> torch.device:
        return self.model.device

    def caption(self, photo: Photo) -> Caption:
        """Caption one photo, given as a path or a PIL picture."""
        return self.captions([photo])[0]

    def captions(self, photos: Iterable[Photo], batch_size: int = 64) -> list[Caption]:
        """Caption photos, in their order."""
        if isinstance(photos, (str, Path, Image.Image)):
            raise TypeError(
                f"captions needs a list of photos, got one, {str(photos)[:100]!r}; give [photo], or use caption(photo)"
            )
        captions, photos = [], list(photos)
        for _, caption in self.stream(photos, batch_size):
            if isinstance(caption, UserError):
                raise caption
            captions.append(caption)
        return captions

    def stream(self, photos: Sequence[Photo], batch_size: int = 64) -> Iterator[tuple[Photo, Caption | UserError]]:
        """Yield each photo, in order, with its caption, or with the error if it cannot be read.

        The next photos are read and prepared while the network captions a batch.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size should be at least 1, got {batch_size}; give the number of photos of a batch")
        self.expect(len(photos))
        for batch in read_ahead(self._prepare, photos, batch_size):
            prepared = [result for _, result in batch if not isinstance(result, UserError)]
            pixels, placements = [pixels for pixels, _ in prepared], [placement for _, placement in prepared]
            captions = iter(self.captions_of(torch.stack(pixels), placements) if prepared else [])
            for photo, result in batch:
                yield photo, result if isinstance(result, UserError) else next(captions)

    def expect(self, num_photos: int) -> None:
        """Let encoders choose their runtime for so many photos; see `encoder.runtime`."""
        for module in self.model.modules():
            if isinstance(module, Encoder):
                module.expect(num_photos)

    def captions_of(
        self, photos: Tensor | Regions, placements: Sequence[Placement | None] | None = None
    ) -> list[Caption]:
        """Caption one batch: prepared pixels (B, 3, h, w), or regions."""
        return [captions[0] for captions in self.candidates_of(photos, 1, placements)]

    def candidates(self, photo: Photo, max_captions: int = 100) -> list[Caption]:
        """The beams or samples of one photo, best first, each with its maps."""
        pixels, placement = self._prepare(photo)
        return self.candidates_of(pixels[None], max_captions, [placement])[0]

    @torch.inference_mode()
    def candidates_of(
        self, photos: Tensor | Regions, max_captions: int, placements: Sequence[Placement | None] | None = None
    ) -> list[list[Caption]]:
        """The best captions of each photo of a batch, at most `max_captions`, best first."""
        if len(photos.mask if isinstance(photos, Regions) else photos) == 0:
            return []
        with self._evaluation():
            memory, unlike = self._remember(photos.to(self.device))
            hypotheses = write(self.search, self.model.decoder, memory, max_captions)
        placements = placements or [None] * len(hypotheses)
        return [
            self._captions(of_photo, memory, photo, placement, unlike[photo])
            for photo, (of_photo, placement) in enumerate(zip(hypotheses, placements, strict=True))
        ]

    def _prepare(self, photo: Photo) -> tuple[Tensor, Placement]:
        if isinstance(photo, (list, tuple)):
            raise TypeError("a photo is a path or a picture of Pillow, got several; give them to captions([...])")
        return self.model.encoder.preprocess(open_photo(photo))

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Evaluation mode and the chosen precision; restores the model's mode afterwards."""
        reduced = torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)
        with evaluating(self.model), reduced:
            yield

    def _remember(self, photos: Tensor | Regions) -> tuple[Memory, Sequence[float | None]]:
        """What the decoder needs of photos, and how unlike the training photos they are."""
        if self.training_photos is None:
            memory = self.model.remember(photos)
            return memory, [None] * len(memory.mask)
        regions = self.model.regions(photos)  # once, for both
        return self.model.remember(regions), self.training_photos.unlike(regions)

    def _captions(
        self,
        hypotheses: Sequence[Hypothesis],
        memory: Memory,
        photo: int,
        placement: Placement | None,
        unlike: float | None,
    ) -> list[Caption]:
        """The captions of one photo, which have the same candidates."""
        candidates = [
            (self.vocabulary.join(self.vocabulary.decode(words.tolist())), log_prob)
            for words, log_prob in (hypotheses[0].candidates if hypotheses else [])
        ]
        return [
            Caption.of(
                hypothesis.attended,
                self.vocabulary.decode(hypothesis.words.tolist()),
                hypothesis.log_probs,
                memory=memory,
                photo=photo,
                vocabulary=self.vocabulary,
                attend=self.model.decoder.attend,
                placement=placement,
                ended=hypothesis.ended,
                candidates=candidates,
                unlike_training=unlike,
            )
            for hypothesis in hypotheses
        ]
