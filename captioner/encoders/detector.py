"""The boxes of an object detector as regions, as many as the photo has objects.

Shapes: B photos, R regions at most, D region feature, n boxes of one photo, C classes, h and w pixels of the network's view.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from captioner.encoders.contract import Encoder
from captioner.encoders.preprocess import Preprocess
from captioner.ranges import Edge, NumBoxes, Probability
from captioner.regions import Boxes, Regions

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as torchvision's detectors were trained
_OVERLAP = 0.7  # above which only the more likely of two boxes is kept


class Detector(Encoder):
    """Torchvision's Faster R-CNN on MobileNetV3, frozen. A region is a box; its feature is the output of the box head.

    Source: Anderson et al. 2018, section 3.1 (bottom-up attention): boxes whose most likely class passes a threshold, after
    non-maximum suppression at an overlap of 0.7, across classes. Differs: their detector has 1,600 classes and attributes of Visual
    Genome, this one COCO's 90; and at least `min_boxes` boxes are kept, whatever their scores. The photo is fitted into the view as a
    whole, with bars if it is not square.

    Regions are sorted by score. If a photo has fewer than R, the rest are zeros and masked.

    Args:
        weights: name of its weights; `none` for random ones.
        input_size: edge of the square view, in pixels.
        min_boxes: minimum number of boxes, kept whatever their scores.
        max_boxes: maximum number of boxes (R).
        threshold: a box is kept if the probability of its most likely class is at least this.
        download: whether to fetch the weights; otherwise they are random until weights are loaded.

    Raises:
        UserError: the weights cannot be downloaded.
    """

    def __init__(
        self,
        weights: Literal["COCO_V1", "none"] = "COCO_V1",
        input_size: Edge = 320,
        min_boxes: NumBoxes = 10,
        max_boxes: NumBoxes = 36,
        threshold: Probability = 0.2,
        download: bool = True,
    ):
        super().__init__()
        if min_boxes > max_boxes:
            raise ValueError(f"min_boxes should be at most max_boxes, got {min_boxes} and {max_boxes}")
        self.detector = _make(weights if download else "none")
        self.detector.requires_grad_(False)
        self.min_boxes, self.max_boxes, self.threshold = min_boxes, max_boxes, threshold
        self.region_size = self.detector.roi_heads.box_predictor.cls_score.in_features  # pyright: ignore
        self.layout = Boxes(torch.zeros(max_boxes, 4))
        self.preprocess = Preprocess("inside", (input_size, input_size), _MEAN, _STD)
        self.frozen = True
        self.eval()

    def forward(self, pixels: Tensor) -> Regions:
        # Always in float32: torchvision rounds corners to the type of the offsets, in bfloat16 to 1 or 2 pixels.
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            return self._detect(self.preprocess.normalise(self.checked(pixels)))

    def _detect(self, pixels: Tensor) -> Regions:
        from torchvision.models.detection.image_list import ImageList

        size = (pixels.shape[2], pixels.shape[3])
        sizes, heads = [size] * len(pixels), self.detector.roi_heads
        maps = self.detector.backbone(pixels)
        proposals, _ = self.detector.rpn(ImageList(pixels, sizes), maps)  # pyright: ignore
        whole = pixels.new_tensor([[0.0, 0.0, size[1], size[0]]])
        proposals = [proposal if len(proposal) else whole for proposal in proposals]
        features = heads.box_head(heads.box_roi_pool(maps, proposals, sizes))  # pyright: ignore
        logits, offsets = heads.box_predictor(features)  # pyright: ignore
        boxes = heads.box_coder.decode(offsets, proposals)  # pyright: ignore
        counts = [len(proposal) for proposal in proposals]
        chosen = [
            self._choose(features, probabilities, boxes, size)
            for features, probabilities, boxes in zip(
                features.split(counts), logits.softmax(-1).split(counts), boxes.split(counts), strict=True
            )
        ]
        scale = pixels.new_tensor([size[1], size[0], size[1], size[0]])
        return Regions.of_boxes(
            [features for features, _ in chosen], [corners / scale for _, corners in chosen], self.max_boxes
        )

    def _choose(
        self, features: Tensor, probabilities: Tensor, boxes: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Features and corners of the boxes to keep, sorted by score, given those of all: (n, D), (n, C) and (n, C, 4)."""
        from torchvision.ops import clip_boxes_to_image, nms

        scores, classes = probabilities[:, 1:].max(1)  # class 0 is the background
        corners = clip_boxes_to_image(boxes[torch.arange(len(boxes)), classes + 1], size)
        kept = nms(corners.float(), scores.float(), _OVERLAP)
        num_likely = int((scores[kept] >= self.threshold).sum())
        kept = kept[: min(self.max_boxes, max(self.min_boxes, num_likely))]
        return features[kept], corners[kept]

    def pack(self, regions: Regions) -> Tensor:
        assert isinstance(regions.layout, Boxes)
        return pack_boxes(regions)

    def unpack(self, stored: Tensor) -> Regions:
        return unpack_boxes(stored)

    @property
    def packed_size(self) -> int:
        return self.region_size + 5

    def choices(self) -> dict[str, Any]:
        # "fewest" is the earlier name of min_boxes. It is part of a store's digest: another key would orphan all stores on disk.
        return {"fewest": self.min_boxes, "threshold": self.threshold}


def pack_boxes(regions: Regions) -> Tensor:
    """(B, R, D + 5): features, corners, and 1 for real regions, 0 for padding."""
    assert isinstance(regions.layout, Boxes)
    features = regions.features.float()  # bfloat16 is too coarse for corners
    return torch.cat([features, regions.layout.fractions.to(features), regions.mask[..., None].to(features)], -1)


def unpack_boxes(stored: Tensor) -> Regions:
    """Regions from the numbers of `pack_boxes`. In half precision, corners are accurate to 1/2000 of the view."""
    return Regions(stored[..., :-5], stored[..., -1] > 0, Boxes(stored[..., -5:-1].float()))


def _make(weights: str) -> Any:
    """Torchvision's detector with weights of this name, or `none`."""
    from torchvision.models import detection

    from captioner.encoders.weights import downloading, where_to_put

    enum = detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights
    chosen = enum[weights] if weights != "none" else None
    with downloading("the detector", *where_to_put(chosen)):
        return detection.fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=chosen, weights_backbone=None, rpn_score_thresh=0.0
        )
