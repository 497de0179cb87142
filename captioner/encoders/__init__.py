"""Encoders, by their names in a config.

contract.py             what an encoder takes and returns
preprocess.py           from a photo to pixels, and their Placement
torchvision_network.py  any torchvision classification network
small_cnn.py            a small CNN, trained from scratch
detector.py             boxes of a detector
weights.py              downloads of pretrained weights
refiner.py              self-attention among regions, after any encoder

Besides the names in KINDS, the name of any torchvision classification network is a kind: `encoder: {kind: resnet101}`.
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.encoders.contract import Encoder, Vision
from captioner.encoders.detector import Detector
from captioner.encoders.refiner import Refiner
from captioner.encoders.small_cnn import SmallCNN
from captioner.encoders.torchvision_network import TorchvisionNetwork, network_names

KINDS: dict[str, Callable[..., Encoder]] = {
    "small_cnn": SmallCNN,
    "detector": Detector,
}

__all__ = ["KINDS", "Encoder", "Refiner", "TorchvisionNetwork", "Vision", "network_names"]
