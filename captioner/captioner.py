"""Captions of photos: a trained model, its vocabulary and a way of decoding, behind one call.

Shapes: B photos, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from captioner.attention import Memory
from captioner.encoders.preprocess import as_rgb, open_photo
from captioner.ensemble import Ensemble
from captioner.errors import UserError
from captioner.features.sources import read_ahead
from captioner.model import CaptionModel
from captioner.regions import Placement, Regions
from captioner.search.hypotheses import Trace
from captioner.search.result import Caption
from captioner.search.steps import Search, write
from captioner.text.vocabulary import Vocabulary

Photo = str | Path | Image.Image


@dataclass(frozen=True)
class Captioner:
    """Captions photos.

    >>> model = captioner.load("runs/demo")
    >>> model.caption("picture.png").text
    >>> [caption.text for caption in model.captions(["one.png", "two.png"])]
    """

    model: CaptionModel | Ensemble
    vocabulary: Vocabulary
    search: Search
    precision: torch.dtype = torch.float32

    def with_search(self, search: Search) -> Captioner:
        return replace(self, search=search)

    @property
    def device(self) -> torch.device:
        return self.model.device

    def caption(self, photo: Photo) -> Caption:
        """The caption of one photo, given as a file or as a picture."""
        return self.captions([photo])[0]

    def captions(self, photos: Sequence[Photo], batch_size: int = 32) -> list[Caption]:
        """Captions of photos, in their order."""
        captions = []
        for _, found in self.stream(photos, batch_size):
            if isinstance(found, UserError):
                raise found
            captions.append(found)
        return captions

    def stream(self, photos: Sequence[Photo], batch_size: int = 32) -> Iterator[tuple[Photo, Caption | UserError]]:
        """Each photo with its caption, or with the reason why it cannot be read, in their order, as they come.

        The next photos are read and prepared while the network works on a batch.
        """
        for batch in read_ahead(self._prepare, photos, batch_size):
            prepared = [found for _, found in batch if not isinstance(found, UserError)]
            captions = iter(
                self.captions_of(
                    torch.stack([pixels for pixels, _ in prepared]), [placement for _, placement in prepared]
                )
                if prepared
                else []
            )
            for photo, found in batch:
                yield photo, found if isinstance(found, UserError) else next(captions)

    def captions_of(
        self, photos: Tensor | Regions, placements: Sequence[Placement | None] | None = None
    ) -> list[Caption]:
        """Captions of one batch: prepared pixels (B, 3, h, w), or regions made earlier."""
        return [found[0] for found in self.candidates_of(photos, 1, placements)]

    def candidates(self, photo: Photo, most: int = 100) -> list[Caption]:
        """What the search found for one photo, best first: beams or samples, each with its maps."""
        pixels, placement = self._prepare(photo)
        return self.candidates_of(pixels[None], most, [placement])[0]

    @torch.inference_mode()
    def candidates_of(
        self, photos: Tensor | Regions, most: int, placements: Sequence[Placement | None] | None = None
    ) -> list[list[Caption]]:
        """The best `most` captions of each photo of a batch, or as many as the search found, best first."""
        with self._evaluation():
            memory = self.model.remember(photos.to(self.device))
            traces = write(self.search, self.model.decoder, memory, most)
        placements = placements or [None] * len(traces)
        return [
            [self._caption(trace, memory, index, placement) for trace in found]
            for index, (found, placement) in enumerate(zip(traces, placements, strict=True))
        ]

    def _prepare(self, photo: Photo) -> tuple[Tensor, Placement]:
        if not isinstance(photo, (str, Path, Image.Image)):
            raise TypeError(
                f"a photo is a path or a PIL picture, got {type(photo).__name__}; give several photos to captions([...])"
            )
        return self.model.encoder.preprocess(as_rgb(photo) if isinstance(photo, Image.Image) else open_photo(photo))

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Evaluation mode and the precision of the products; back to training afterwards if that is where the model was."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                yield
        finally:
            self.model.train(was_training)

    def _caption(self, trace: Trace, memory: Memory, index: int, placement: Placement | None) -> Caption:
        candidates = [
            (self.vocabulary.join(self.vocabulary.decode(found.tolist())), log_prob)
            for found, log_prob in trace.candidates
        ]
        return Caption.of(
            trace.attended,
            self.vocabulary.decode(trace.words.tolist()),
            trace.log_probs,
            memory=memory,
            photo=index,
            vocabulary=self.vocabulary,
            attend=self.model.decoder.attend,
            placement=placement,
            ended=trace.ended,
            candidates=candidates,
        )
