"""Any network of timm, convolutional or a transformer, as a grid of regions, frozen or fine-tuned.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from captioner.encoders.contract import PretrainedNetwork
from captioner.encoders.preprocess import Preprocess
from captioner.ranges import Edge
from captioner.regions import Grid, Regions

_HEADS = {"head", "head_dist", "classifier", "fc", "last_linear", "conv_head", "norm_head", "pre_logits", "attn_pool"}
"""What networks may have after their last map."""


class TimmNetwork(PretrainedNetwork):
    """The last feature map of a network of timm; each cell is a region. Preprocessing is that of the pretrained weights.

    Of a vision transformer, each patch token is a region; class and register tokens are left out. Its position embeddings are resampled
    to the input size. The network stays in evaluation mode, even if it is trained, so that batch norm keeps its pretrained statistics.

    Args:
        network: timm's name of the network, such as tf_efficientnet_lite2, or with the name of its weights, such as
            vit_small_patch14_dinov2.lvd142m.
        weights: DEFAULT for those that timm downloads for this name; none for random ones; or a file of them, safetensors or a state dict
            of torch.save.
        input_size: edge of the view in pixels, or [width, height]; by default, that of the weights. It sets the number of regions.
        fit: how a photo becomes the view: `own` as for the weights, for most networks `crop`; `crop` cuts out the centre, for a square view
            with the margin of the weights; `stretch` resizes to the view, whatever the aspect; `letterbox` shows the whole photo between
            bars.
        stride: take the last map that has a region for every 8, 16 or 32 pixels; `both` joins those of 16 and 32, the second upsampled to
            the grid of the first. By default, the network's last map.
        mean: what decoders read as the mean region: that of these `regions`, or of the network's `last_map`, which knows more of what is in
            the photo; for regions of stride 8 or 16 that are not aligned, with a refiner.
        align: shift the last layers with a stride by half a region, so that regions look at their own cells: most convolutional networks
            look half a region beside them. With `stride: both`, only the coarser map is aligned.
        train_from: the first stage that is trained, such as blocks.5, stages.3 or layer4, with all later ones; none if empty.
        download: whether to fetch or read weights. A model that loads its own weights needs none.

    Raises:
        UserError: timm has no such network; or the weights cannot be downloaded, or do not fit.
        ValueError: the network does not accept this input size, or has no map of this stride, or no such stage.
    """

    def __init__(
        self,
        network: str,
        weights: str = "DEFAULT",
        input_size: Edge | list[Edge] | None = None,
        fit: Literal["own", "crop", "stretch", "letterbox"] = "own",
        stride: Literal[8, 16, 32, "both"] | None = None,
        mean: Literal["regions", "last_map"] = "regions",
        align: bool = False,
        train_from: str = "",
        download: bool = True,
    ):
        super().__init__()
        from captioner.encoders import pretrained
        from captioner.encoders.folding import Folded, pairs_of

        self.preprocess = preprocess_of(network, input_size, fit)
        width, height = self.preprocess.crop
        with pretrained.at_size(network, self.preprocess.crop):
            model = _make(network, weights if download else None, (height, width)).eval().requires_grad_(False)
        self.joined = stride == "both"
        self.taken = _taken(network, model, stride, mean, align)
        self.to_the_end = self.taken[-1] == len(model.feature_info) - 1
        self.norm = _norm_after_pooling(model) if self.to_the_end else nn.Identity()
        if not self.to_the_end:
            model.prune_intermediate_layers(self.taken, prune_norm=True, prune_head=True)
        self.network: Any = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.aligned = align
        if align:
            from captioner.encoders.alignment import align as shift

            shift(model, lambda: self._maps(model, torch.zeros(1, 3, height, width)), height)
        with (
            pretrained.at_size(network, self.preprocess.crop),
            torch.no_grad(),
            pretrained.calls_of(model) as called,
            pairs_of(model) as pairs,
        ):
            made = self._maps(model, torch.zeros(1, 3, height, width))
        self.folded = Folded(pairs)
        _check_patches(network, model, self.preprocess.crop)
        _remove_head(model, called)
        self.region_size = sum(one.shape[1] for one in made) if self.joined else made[0].shape[1]
        self.whole_size = made[-1].shape[1] if mean == "last_map" else 0
        self.layout = Grid(*made[0].shape[2:])
        self.frozen = not train_from
        if train_from:
            pretrained.train_from(model, train_from, called)
            self.norm.requires_grad_(True)
        self.eval()

    def features(self, pixels: Tensor) -> Tensor:
        first, *others = self._maps(self.runnable(), pixels)
        if self.joined:
            others = [nn.functional.interpolate(one, first.shape[2:], mode="bilinear") for one in others]
            first = torch.cat([first, *others], 1)
        regions = Regions.full(first.flatten(2).transpose(1, 2), self.layout)  # features (B, R, D)
        return self.pack(replace(regions, whole=others[-1].mean((2, 3)) if self.whole_size else None))

    def choices(self) -> dict[str, Any]:
        options = {"aligned": self.aligned, "whole": bool(self.whole_size)}
        return {"taken": self.taken} | {name: True for name, chosen in options.items() if chosen}

    def _maps(self, network: Any, pixels: Tensor) -> list[Tensor]:
        """The maps that are taken, (B, D, rows, columns) each, finest first."""
        if self.to_the_end:
            last, maps = network.forward_intermediates(pixels, indices=self.taken)
            coarse = self.norm(_grid(last, maps[-1]).movedim(1, -1)).movedim(-1, 1)
        else:
            maps = network.forward_intermediates(pixels, indices=self.taken, intermediates_only=True, stop_early=True)
            coarse = maps[-1]
        return [*maps[:-1], coarse]


def _make(network: str, weights: str | None, size: tuple[int, int]) -> Any:
    """The network for a view of this height and width, with its weights; without `weights`, the model's own will be loaded."""
    from captioner.encoders import efficientnet_lite

    if weights is None and efficientnet_lite.is_lite(network):
        return efficientnet_lite.EfficientNetLite(network)
    from captioner.encoders.timm_weights import make

    return make(network, weights, size)


def _taken(network: str, model: Any, stride: int | str | None, mean: str, align: bool) -> list[int]:
    """The indices of the network's maps that are taken, finest first."""
    from captioner.encoders.pretrained import index_of_stride

    maps = [stage["reduction"] for stage in model.feature_info]
    if stride == "both":
        strides: list[Any] = [16, 32]
    elif mean == "last_map":
        strides = [stride, None]
    else:
        strides = [stride]
    taken = [index_of_stride(network, maps, one) for one in strides]
    if mean == "last_map":
        if stride == "both" or taken[0] == taken[1]:
            raise ValueError(f"mean: last_map is for regions of a finer map; set stride: 8 or 16, got stride: {stride}")
        if align:
            raise ValueError("align would move the last map alone, got mean: last_map; leave align out")
    return taken


def _remove_head(model: Any, called: Sequence[str]) -> None:
    """Remove what the network has after its last map; `called` are the modules that made the map."""
    for name in _HEADS & dict(model.named_children()).keys() - {name.partition(".")[0] for name in called}:
        setattr(model, name, nn.Identity())


def _norm_after_pooling(model: Any) -> nn.Module:
    """The last normalisation of transformers that have it after pooling, removed from the network; it serves each region as well."""
    norm = getattr(model, "fc_norm", None) or nn.Identity()
    model.fc_norm = nn.Identity()
    return norm


def _grid(output: Any, last: Tensor) -> Tensor:
    """A network's output before pooling as a map (B, D, rows, columns), given the output of its last stage as such a map."""
    if not isinstance(output, Tensor):
        return last
    size, cells = last.shape[2:], last.shape[2] * last.shape[3]
    if output.ndim == 4:
        return output if output.shape[2:] == size else output.movedim(-1, 1)
    if output.shape[1] < cells:  # the class token alone
        return last
    return output[:, -cells:].transpose(1, 2).unflatten(2, size)  # class and register tokens stand before the patches


def _check_patches(network: str, model: Any, size: tuple[int, int]) -> None:
    """Raise a ValueError if patches do not fill the view, which some transformers would cut off in silence."""
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    edges = (patch, patch) if isinstance(patch, int) else patch
    if edges and (size[0] % edges[1] or size[1] % edges[0]):
        raise ValueError(
            f"{network} cuts the view into patches of {edges[1]} x {edges[0]} pixels; "
            f"input_size should be a multiple of that, got {size[0]} x {size[1]}"
        )


def preprocess_of(network: str, input_size: int | list[int] | None, fit: str) -> Preprocess:
    """The preprocessing of a network's weights, at another size or with another fit."""
    from captioner.encoders import efficientnet_lite
    from captioner.encoders.pretrained import OwnView

    own = efficientnet_lite.data_config(network)
    if own is None:
        from timm.data import resolve_data_config

        from captioner.encoders.timm_weights import about

        own = resolve_data_config(pretrained_cfg=about(network))
    fits: dict[str, Literal["crop", "stretch", "letterbox"]] = {"squash": "stretch", "border": "letterbox"}
    view = OwnView(
        size=(own["input_size"][2], own["input_size"][1]),
        with_margin=lambda edge: int(edge / own["crop_pct"]),
        fit=fits.get(own["crop_mode"], "crop"),
        mean=tuple(own["mean"]),
        std=tuple(own["std"]),
        interpolation=own["interpolation"],
    )
    return view.at(input_size, fit)
