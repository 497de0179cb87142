"""Encoders, by their names in a config.

contract.py             what an encoder takes and returns
preprocess.py           from a photo to pixels, and their Placement
torchvision_network.py  any torchvision classification network
timm_network.py         any network of timm
timm_weights.py         a network of timm with its weights
efficientnet_lite.py    that of the bundled model, without importing timm
pretrained.py           what both share: views, training from a stage
alignment.py            regions that look at their own cells
folding.py              batch norm folded into convolutions, for inference
onnx_runtime.py         frozen encoders in onnxruntime
small_cnn.py            a small CNN, trained from scratch
detector.py             boxes of a detector
weights.py              downloads and files of pretrained weights
refiner.py              self-attention among regions, after any encoder

Besides the names in KINDS, the name of any torchvision classification network is a kind: `encoder: {kind: resnet101}`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from captioner.encoders.contract import Encoder, Vision
from captioner.encoders.detector import Detector
from captioner.encoders.refiner import Refiner
from captioner.encoders.small_cnn import SmallCNN
from captioner.encoders.timm_network import TimmNetwork

if TYPE_CHECKING:
    from captioner.encoders.torchvision_network import TorchvisionNetwork, network_names

KINDS: dict[str, Callable[..., Encoder]] = {
    "small_cnn": SmallCNN,
    "detector": Detector,
    "timm": TimmNetwork,
}

__all__ = ["KINDS", "Encoder", "Refiner", "TimmNetwork", "TorchvisionNetwork", "Vision", "network_names"]


def __getattr__(name: str) -> Any:
    """Torchvision's networks, imported on first use."""
    if name in ("TorchvisionNetwork", "network_names"):
        return getattr(import_module("captioner.encoders.torchvision_network"), name)
    raise AttributeError(f"module 'captioner.encoders' has no attribute {name!r}")
