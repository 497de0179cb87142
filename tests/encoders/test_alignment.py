"""Where the regions of convolutional networks look, and the shift that makes them look at their own cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.encoders import TimmNetwork
from captioner.encoders.alignment import align
from captioner.encoders.efficientnet_lite import Conv2dSame
from captioner.encoders.folding import folded
from captioner.encoders.torchvision_network import TorchvisionNetwork

SIZE = 64


def padded_evenly(kernel: int) -> nn.Module:
    return nn.Conv2d(1, 1, kernel, 2, padding=kernel // 2, bias=False)


def padded_as_tensorflow_does(kernel: int) -> nn.Module:
    return Conv2dSame(1, 1, kernel, 2, bias=False)


def averaging(layers: list[nn.Module]) -> nn.Sequential:
    """Convolutions whose weights are all equal, so that the middle of a receptive field is that of its gradient."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    return nn.Sequential(*layers)


def pixels() -> torch.Tensor:
    return torch.ones(1, 1, SIZE, SIZE, requires_grad=True)


def looks_at(network: nn.Module, row: int, column: int) -> tuple[float, float]:
    """The centroid of what one cell's value depends on: from the top and from the left, in pixels."""
    photo = pixels()
    network(photo)[0, 0, row, column].backward()
    assert photo.grad is not None
    shares = photo.grad[0, 0] / photo.grad.sum()
    places = torch.arange(SIZE) + 0.5
    return float(shares.sum(1) @ places), float(shares.sum(0) @ places)


NETWORKS = {
    "even padding": lambda: averaging([padded_evenly(kernel) for kernel in (3, 3, 5)]),
    "TensorFlow's padding": lambda: averaging([padded_as_tensorflow_does(kernel) for kernel in (3, 5, 3)]),
    "pooling": lambda: averaging([padded_evenly(7), nn.MaxPool2d(3, 2, 1), padded_evenly(3)]),
    "a stride of one between": lambda: averaging([padded_evenly(3), nn.Conv2d(1, 1, 3, 1, 1), padded_evenly(3)]),
}


@pytest.mark.parametrize("kind", [name for name in NETWORKS if name != "pooling"])
def test_aligned_regions_look_at_their_own_cells(kind):
    network = NETWORKS[kind]()
    size = SIZE // network(pixels()).shape[2]
    middle = (size * 2.5, size * 3.5)  # of the cell in row 2 and column 3
    before = looks_at(network, 2, 3)
    assert min(abs(place - cell) for place, cell in zip(before, middle, strict=True)) >= size / 2 - 1

    left = align(network, lambda: network(pixels()), SIZE)

    assert abs(left) == pytest.approx(0.5)
    assert looks_at(network, 2, 3) == pytest.approx([cell + left for cell in middle])


def test_pooling_with_a_stride_counts():
    network = NETWORKS["pooling"]()
    assert abs(align(network, lambda: network(pixels()), SIZE)) == pytest.approx(0.5)


def test_networks_that_are_aligned_stay_as_they_are():
    network = averaging([nn.Conv2d(1, 1, 2, 2, bias=False), nn.Conv2d(1, 1, 4, 4, bias=False)])
    assert align(network, lambda: network(pixels()), SIZE) == 0
    assert looks_at(network, 2, 3) == pytest.approx((20, 28))
    assert align(nn.Identity(), lambda: None, SIZE) == 0


def test_both_layers_of_a_block_with_a_shortcut_are_shifted():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.own, self.shortcut = padded_evenly(3), nn.Conv2d(1, 1, 1, 2, bias=False)

        def forward(self, maps):
            return self.own(maps) + self.shortcut(maps)

    network = nn.Sequential(padded_evenly(3), Block())
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    align(network, lambda: network(pixels()), SIZE)
    assert looks_at(network, 5, 5) == pytest.approx((22.5, 22.5))


def test_folded_copies_are_aligned_too():
    network = nn.Sequential(padded_evenly(3), nn.BatchNorm2d(1), padded_evenly(3)).eval()
    align(network, lambda: network(pixels()), SIZE)
    photo = torch.rand(1, 1, SIZE, SIZE)
    with torch.no_grad():
        torch.testing.assert_close(folded(network, [("0", "1")])(photo), network(photo))


@pytest.mark.parametrize(
    ("kind", "network"), [(TimmNetwork, "tf_efficientnet_lite0"), (TorchvisionNetwork, "mobilenet_v2")]
)
def test_an_aligned_encoder_computes_the_same_at_other_places(kind, network):
    plain, aligned = (kind(network, "none", 64, align=on).eval() for on in (False, True))
    aligned.load_state_dict(plain.state_dict())
    photos = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        before, after = plain(photos), aligned(photos)
    assert after.features.shape == before.features.shape
    assert not torch.equal(after.features, before.features)
    assert aligned.choices() == {**plain.choices(), "aligned": True}  # stores of the two are told apart
