"""The whole network: an encoder sees, a decoder writes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from captioner.attention import Memory
from captioner.decoders import Decoder
from captioner.encoders import Encoder, Refiner
from captioner.regions import Regions


class CaptionModel(nn.Module):
    """An encoder, a refiner of its regions or none, and the decoder that attends over them. The parts come finished."""

    def __init__(self, encoder: Encoder, decoder: Decoder, refiner: Refiner | None = None):
        super().__init__()
        self.encoder = encoder
        self.refiner = refiner
        self.decoder = decoder

    @property
    def device(self) -> torch.device:
        return next(self.decoder.parameters()).device

    def remember(self, photos: Tensor | Regions) -> Memory:
        """What the decoder needs of photos: pixels (B, 3, h, w) as uint8, or regions that a frozen encoder made earlier."""
        regions = photos if isinstance(photos, Regions) else self.encoder(photos)
        regions = regions.to(dtype=self._product_dtype(regions.features.device.type))
        return self.decoder.remember(self.refiner(regions) if self.refiner is not None else regions)

    def _product_dtype(self, device_type: str) -> torch.dtype:
        """Features are cast once, here, and not at every word."""
        if torch.is_autocast_enabled(device_type):
            return torch.get_autocast_dtype(device_type)
        return next(self.decoder.parameters()).dtype
