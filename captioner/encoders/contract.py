"""What every encoder provides, and what a model has in an encoder's place if its regions come from files.

Shapes: B photos, R regions, D region feature, h and w pixels of the network's view.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError
from captioner.regions import Layout, Placement, Regions

if TYPE_CHECKING:
    from captioner.encoders.folding import Folded
    from captioner.encoders.onnx_runtime import OnnxRuntime

FEW_PHOTOS = 64
"""For fewer photos, `encoder.runtime: auto` always stays in torch."""
_AT_ONCE = 16  # photos that a network on a CPU sees together; decoding is faster with more, and a network is not


class View(Protocol):
    """How a photo becomes a network's view of it."""

    @property
    def crop(self) -> tuple[int, int]:
        """Width and height of the view in pixels."""
        ...

    def placement(self, photo_size: tuple[int, int]) -> Placement:
        """The position of the view on a photo of (width, height)."""
        ...

    def __call__(self, photo: Image.Image) -> tuple[Tensor, Placement]:
        """Pixels (3, h, w) as uint8, and the position of the view on the photo."""
        ...


class Vision(nn.Module):
    """A model's source of regions. It states what they are before the first photo is read.

    `region_size` is D; `whole_size` is W, the size of a feature of the whole photo, 0 if there is none. `layout` says what the R regions
    are; of boxes, only the largest number. `preprocess` makes the view of a photo.
    `frozen`: it is never trained. `runtime`: the setting `encoder.runtime`.
    Subclasses are encoders, which compute regions, and region files, which hold published ones.
    """

    region_size: int
    whole_size: int = 0
    layout: Layout
    preprocess: View
    frozen: bool
    runtime: Literal["auto", "torch", "onnx"] = "torch"
    engine: OnnxRuntime | None = None  # runs a frozen encoder in place of torch

    def choices(self) -> dict[str, Any]:
        """Options on which the regions depend besides weights and preprocessing; part of a feature store's identity."""
        return {}

    def run_in(self, runtime: Literal["auto", "torch", "onnx"]) -> None:
        """Set the runtime.

        Raises:
            UserError: onnxruntime is wanted, and cannot run this encoder or is not installed.
        """
        self.runtime = runtime
        if runtime == "onnx":
            from captioner.encoders.onnx_runtime import OnnxRuntime, check

            check(self)
            self.engine = OnnxRuntime(optional=False)


class Encoder(Vision):
    """A network that turns photos into regions.

    A frozen encoder stays in evaluation mode, so that batch-norm statistics do not drift.
    """

    preprocess: Preprocess

    def features(self, pixels: Tensor) -> Tensor:
        """Features (B, R, packed_size) of normalised pixels (B, 3, h, w), as a feature store keeps them."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Regions:
        """Regions of pixels (B, 3, h, w), whole numbers 0 to 255 (uint8), as `preprocess` makes them."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.unpack(self._features_of(self.checked(pixels)))

    def _features_of(self, pixels: Tensor) -> Tensor:
        """Features (B, R, packed_size) of uint8 pixels, in the chosen runtime."""
        if self.engine is not None and self.frozen and not torch.compiler.is_compiling():
            features = self.engine.features(self, pixels)
            if features is not None:
                return features
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or pixels.device.type != "cpu":
            return self.features(self.preprocess.normalise(pixels))
        parts = [self.features(self.preprocess.normalise(part)) for part in pixels.split(_AT_ONCE)]
        return torch.cat(parts)

    def expect(self, num_photos: int) -> None:
        """Choose the runtime for so many photos. `auto` stays in torch for few, since an export takes longer than they do."""
        if self.runtime == "auto" and self.engine is None and num_photos >= FEW_PHOTOS:
            from captioner.encoders.onnx_runtime import engine_for

            self.engine = engine_for(self, num_photos)

    def for_inference(self) -> Encoder:
        """The encoder as it runs where no gradients are needed."""
        return self

    @staticmethod
    def checked(pixels: Tensor) -> Tensor:
        """The same pixels.

        Raises:
            ValueError: they are not whole numbers.
        """
        if pixels.dtype != torch.uint8:
            raise ValueError(
                f"pixels must be uint8, 0 to 255, got {pixels.dtype}; give photos to encoder.preprocess, "
                "and leave scaling and normalising to the encoder"
            )
        return pixels

    @property
    def packed_size(self) -> int:
        """Numbers that a feature store keeps for one region: its own, and its share of those of the whole photo."""
        return self.region_size + -(-self.whole_size // self.layout.num_regions)

    def pack(self, regions: Regions) -> Tensor:
        """(B, R, packed_size): regions as a feature store keeps them."""
        if regions.whole is None:
            return regions.features
        num_regions = self.layout.num_regions
        share = self.packed_size - self.region_size
        shares = functional.pad(regions.whole, (0, share * num_regions - self.whole_size)).unflatten(
            1, (num_regions, share)
        )
        return torch.cat([regions.features, shares.to(regions.features.dtype)], -1)

    def unpack(self, stored: Tensor) -> Regions:
        """Regions from the numbers (B, R, packed_size) of `pack`.

        Raises:
            UserError: they have another shape.
        """
        if stored.shape[1:] != (self.layout.num_regions, self.packed_size):
            raise UserError(
                f"features of {type(self).__name__} should have the shape (photos, {self.layout.num_regions}, {self.packed_size}), as its "
                f"layout and its sizes say, got {tuple(stored.shape)}; change what features() returns, or layout and region_size"
            )
        if not self.whole_size:
            return Regions.full(stored, self.layout)
        regions = Regions.full(stored[..., : self.region_size], self.layout)
        return replace(regions, whole=stored[..., self.region_size :].flatten(1)[:, : self.whole_size])

    def train(self, mode: bool = True) -> Encoder:
        return super().train(mode and not self.frozen)


class PretrainedNetwork(Encoder):
    """An encoder around a network that others trained.

    The network stays in evaluation mode, even if it is trained, so that batch norm keeps its pretrained statistics.
    """

    network: nn.Module
    folded: Folded

    def runnable(self) -> Any:
        """The network; where no gradients are needed, a copy of it with batch norm folded into its convolutions."""
        as_it_is = self.training or torch.is_grad_enabled() or torch.compiler.is_compiling()
        return self.network if as_it_is else self.folded.of(self.network)

    def for_inference(self) -> PretrainedNetwork:
        made = copy.copy(self)
        made._modules = self._modules | {"network": self.folded.of(self.network)}
        return made

    def train(self, mode: bool = True) -> PretrainedNetwork:
        super().train(mode)
        self.network.eval()
        return self


def digest(module: nn.Module, about: Mapping[str, Any]) -> str:
    """A SHA-256 of a module's weights, such as an encoder's, and of what else identifies it."""
    hashed = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for key, tensor in sorted(module.state_dict().items()):
        hashed.update(key.encode())
        hashed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def version(tensor: Tensor) -> tuple[Any, ...]:
    """Changes when the numbers of a tensor change, or where they are."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version, tensor.dtype, tensor.device
