"""Any torchvision classification network, cut before pooling, frozen or fine-tuned.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from torchvision.transforms._presets import ImageClassification

from captioner.encoders.contract import PretrainedNetwork
from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError
from captioner.ranges import Edge
from captioner.regions import Grid

_SHIFTED = {"googlenet", "inception_v3"}
_HEADS = ("classifier", "fc", "head", "heads", "aux", "AuxLogits")


def network_names() -> list[str]:
    """Torchvision's classification networks."""
    return models.list_models(module=models)


class TorchvisionNetwork(PretrainedNetwork):
    """The last feature map before pooling; each cell is a region. Preprocessing is that of the pretrained weights.

    The network stays in evaluation mode, even if it is trained, so that batch norm keeps its pretrained statistics.

    Args:
        network: torchvision's name of the network, such as resnet101.
        weights: name of its weights, such as `IMAGENET1K_V2`; `DEFAULT` for torchvision's best; `none` for random ones.
        input_size: edge of the square view in pixels, or `[width, height]`; by default, that of the weights. It sets the number of
            regions: a ResNet makes one of every 32 x 32 pixels.
        fit: how a photo becomes the view: `crop` cuts out the centre, for a square view with the margin of the weights; `stretch` resizes
            to the view, whatever the aspect; `letterbox` shows the whole photo between bars.
        align: shift the last layers with a stride by half a region, so that regions look at their own cells: most convolutional networks
            look half a region beside them.
        train_from: the first stage that is trained, such as `layer4` or `features.14`, with all later ones; if empty, none is trained.
        download: whether to download weights that are not on the disk. A model that loads its own weights needs none.

    Raises:
        UserError: the weights do not exist or cannot be downloaded; the message says where to put the file.
        ValueError: the network has no feature map (vision transformers), does not accept this input size, or has no such stage.
    """

    def __init__(
        self,
        network: str,
        weights: str = "DEFAULT",
        input_size: Edge | list[Edge] | None = None,
        fit: Literal["crop", "stretch", "letterbox"] = "crop",
        align: bool = False,
        train_from: str = "",
        download: bool = True,
    ):
        super().__init__()
        chosen = _weights(network, weights)
        model = _make(network, chosen if download else None, shifted=chosen is not None).eval()
        self.preprocess = _preprocess(chosen, input_size, fit)
        from captioner.encoders.folding import Folded, pairs_of

        with pairs_of(model) as pairs:
            node, shape = _last_feature_map(model, network, self.preprocess.crop)
        network_to_regions = create_feature_extractor(
            model, {node: "regions"}, suppress_diff_warning=True
        ).requires_grad_(False)
        self.network = network_to_regions.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.aligned = align
        if align:
            from captioner.encoders.alignment import align as shift

            width, height = self.preprocess.crop
            shift(self.network, lambda: self.network(torch.zeros(1, 3, height, width)), height)
        used_modules = dict(self.network.named_modules())
        self.folded = Folded([pair for pair in pairs if used_modules.keys() >= {*pair}])
        self.region_size, self.layout = shape[1], Grid(shape[2], shape[3])
        self.frozen = not train_from
        if train_from:
            from captioner.encoders import pretrained

            used = [node.target for node in self.network.graph.nodes if node.op in ("call_module", "get_attr")]
            pretrained.train_from(self.network, train_from, used)
        self.eval()

    def features(self, pixels: Tensor) -> Tensor:
        return self.runnable()(pixels)["regions"].flatten(2).transpose(1, 2)  # (B, R, D)

    def choices(self) -> dict[str, Any]:
        return {"aligned": True} if self.aligned else {}


def _weights(network: str, name: str) -> models.WeightsEnum | None:
    if name.lower() == "none":
        return None
    available = models.get_model_weights(network)
    if name not in available.__members__:
        raise UserError(
            f"{network} has no weights {name!r}; choose one of {', '.join(available.__members__)} or none; "
            "a file of weights needs encoder.kind=timm"
        )
    return available[name]


def _make(network: str, weights: models.WeightsEnum | None, shifted: bool) -> nn.Module:
    """The network. `shifted`: its weights are, or will be, torchvision's, for which some networks shift their input."""
    options = {"transform_input": True} if shifted and network in _SHIFTED else {}
    from captioner.encoders.weights import downloading, where_to_put

    with downloading(network, *where_to_put(weights)):
        return models.get_model(network, weights=weights, **options)


def _preprocess(weights: models.WeightsEnum | None, input_size: int | list[int] | None, fit: str) -> Preprocess:
    """The preprocessing of the weights, scaled to the input size; ImageNet's usual one without weights."""
    from captioner.encoders.pretrained import OwnView

    own = weights.transforms() if weights else ImageClassification(crop_size=224)
    edge = own.crop_size[0]
    view = OwnView(
        size=(edge, edge),
        with_margin=lambda size: round(size * own.resize_size[0] / edge),
        fit="crop",
        mean=tuple(own.mean),
        std=tuple(own.std),
        interpolation=own.interpolation.value,
    )
    return view.at(input_size, fit)


def _last_feature_map(model: nn.Module, network: str, size: tuple[int, int]) -> tuple[str, torch.Size]:
    """The name of the last node with a map of more than one cell, outside the classifier, and its shape (1, D, rows, columns)."""
    pools = {name for name, module in model.named_modules() if isinstance(module, nn.AdaptiveAvgPool2d)}
    names = [
        name
        for name in get_graph_node_names(model, suppress_diff_warning=True)[1]
        if not name.startswith(_HEADS) and name not in pools
    ]
    from captioner.encoders.pretrained import at_size

    with at_size(network, size), torch.no_grad():
        extractor = create_feature_extractor(model, names, suppress_diff_warning=True).eval()
        outputs = extractor(torch.zeros(1, 3, size[1], size[0]))
    for name in reversed(names):
        shape = outputs[name].shape if isinstance(outputs[name], Tensor) else ()
        if len(shape) == 3:  # tokens, not a map
            break
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            return name, shape
    raise ValueError(f"{network} has no feature map; choose a convolutional network such as resnet101")
