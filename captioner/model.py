"""The whole network: an encoder makes regions of photos, a decoder writes captions of them.

Shapes: B photos, Q captions of one photo, T words, V vocabulary, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from captioner.attention import Attended, Memory
from captioner.decoders import Decoder
from captioner.encoders import Encoder, Refiner, Vision
from captioner.errors import UserError
from captioner.regions import Regions


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, so without dropout; restores the model's mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


class CaptionModel(nn.Module):
    """An encoder, an optional refiner of its regions, and a decoder that attends to them.

    Examples:
        >>> logits, attended = model(photos, words)  # teacher forcing
    """

    def __init__(self, encoder: Vision, decoder: Decoder, refiner: Refiner | None = None):
        super().__init__()
        self.encoder = encoder
        self.refiner = refiner
        self.decoder = decoder

    @property
    def device(self) -> torch.device:
        return next(self.decoder.parameters()).device

    def forward(self, photos: Tensor | Regions, words: Tensor, need_weights: bool = True) -> tuple[Tensor, Attended]:
        """Logits of the next words after known ones, and what the decoder attended to.

        Args:
            photos: pixels (B, 3, h, w) as uint8, or regions that a frozen encoder made earlier.
            words: (B, Q, T) with the start token first; PAD after the end of shorter captions.
            need_weights: `False` permits a kind of attention to return no weights, which is faster.

        Returns:
            Logits (B, Q, T, V), those at t for word t + 1, and attended, (B, Q, T, ...).
        """
        output, attended = self.decoder(words, self.remember(photos), need_weights)
        return self.decoder.vocabulary_logits(output), attended

    def regions(self, photos: Tensor | Regions) -> Regions:
        """Regions of pixels (B, 3, h, w) as uint8. Regions that were made earlier are returned unchanged.

        Raises:
            UserError: pixels were given to a model that was trained on region files.
        """
        if isinstance(photos, Regions):
            return photos
        if not isinstance(self.encoder, Encoder):
            raise UserError(
                "this model's regions come from files, so it cannot caption a new photo; score splits with captioner eval, or train with "
                "an encoder that reads photos, such as encoder.kind=resnet101"
            )
        return self.encoder(photos)

    def remember(self, photos: Tensor | Regions) -> Memory:
        """What the decoder needs of photos: pixels (B, 3, h, w) as uint8, or regions that a frozen encoder made earlier."""
        return self.decoder.remember(self.refined(photos))

    def refined(self, photos: Tensor | Regions) -> Regions:
        """The regions that the decoder attends to: the encoder's, after the refiner if there is one."""
        regions = self.regions(photos)
        regions = regions.to(dtype=self._product_dtype(regions.features.device.type))
        return self.refiner(regions) if self.refiner is not None else regions

    def _product_dtype(self, device_type: str) -> torch.dtype:
        """Features are cast once, here, and not at every word."""
        if torch.is_autocast_enabled(device_type):
            return torch.get_autocast_dtype(device_type)
        return next(self.decoder.parameters()).dtype
