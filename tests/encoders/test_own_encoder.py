"""An encoder that someone adds: what it returns is checked against what it says of itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.encoders.contract import Encoder
from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError
from captioner.regions import Grid


class Own(Encoder):
    """16 regions of 8 numbers."""

    def __init__(self, frozen: bool = True, cells: int = 4, region_size: int = 8, transposed: bool = False):
        super().__init__()
        self.layout, self.region_size = Grid(cells, cells), region_size
        self.frozen, self.transposed = frozen, transposed
        self.preprocess = Preprocess("cover", (32, 32))
        self.layer = nn.Conv2d(3, 8, 8, 8)

    def features(self, pixels):
        features = self.layer(pixels).flatten(2)  # (B, D, R)
        return features if self.transposed else features.transpose(1, 2)


PIXELS = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"cells": 3}, r"\(photos, 9, 8\)"),
        ({"region_size": 9}, r"\(photos, 16, 9\)"),
        ({"transposed": True}, r"\(photos, 16, 8\)"),
    ],
)
def test_features_of_another_shape_are_named(frozen, wrong, wanted):
    assert Own(frozen)(PIXELS).features.shape == (2, 16, 8)
    with pytest.raises(UserError, match=rf"features of Own should have the shape {wanted}, as its layout"):
        Own(frozen, **wrong)(PIXELS)
