"""Batch norm folded into convolutions: the same regions, and the network's own weights stay as they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from captioner.encoders import TimmNetwork, TorchvisionNetwork
from captioner.encoders.contract import PretrainedNetwork
from captioner.encoders.folding import folded, pairs_of
from captioner.features.store import store_folder

KINDS = {"torchvision": TorchvisionNetwork, "timm": TimmNetwork}
NETWORKS = {  # batch norms left unfolded
    "torchvision/resnet18": 0,
    "torchvision/mobilenet_v2": 0,
    "torchvision/shufflenet_v2_x0_5": 0,
    "torchvision/mnasnet0_5": 0,
    "torchvision/mobilenet_v3_small": 0,
    "torchvision/squeezenet1_1": 0,
    "timm/densenet121": 62,  # they read joined maps
    "timm/test_resnet": 0,
    "timm/test_efficientnet": 0,
    "timm/test_byobnet": 0,
    "timm/tf_efficientnet_lite0": 0,  # pads by the size of its input
    "timm/mobilenetv3_small_050": 0,
    "timm/tf_mixnet_s": 34,  # they read the outputs of several convolutions
    "timm/repvgg_a0": 17,  # on a branch without convolution
    "timm/resnetv2_18d": 9,  # they read sums
    "timm/mobilevit_xxs": 0,
    "timm/test_convnext": 0,
    "timm/test_vit": 0,
}
PIXELS = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def made(name: str, **options) -> PretrainedNetwork:
    """A network with random weights and random statistics."""
    torch.manual_seed(0)
    kind, network = name.split("/")
    encoder = KINDS[kind](network, **{"weights": "none", "input_size": 64, **options})
    disturb(encoder.network)
    return encoder


@torch.no_grad()
def disturb(network: nn.Module) -> None:
    for norm in norms(network):
        norm.running_mean.normal_(0, 0.2)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.2)


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def unfolded(encoder: PretrainedNetwork) -> Tensor:
    """Features as the network computes them where gradients are needed."""
    with torch.enable_grad():
        return encoder.features(encoder.preprocess.normalise(PIXELS)).detach()


def assert_near(features: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_keeps_the_regions(name):
    encoder = made(name)
    expected = unfolded(encoder)
    assert_near(encoder(PIXELS).features, expected)
    with torch.no_grad():
        run = encoder.runnable()
    assert len(norms(run)) == NETWORKS[name]
    assert (run is encoder.network) == (len(norms(run)) == len(norms(encoder.network)))


@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/test_efficientnet"])
def test_the_weights_and_the_store_of_a_network_stay_as_they_are(name, tmp_path):
    encoder = made(name)
    weights = {key: value.clone() for key, value in encoder.state_dict().items()}
    folder = store_folder(tmp_path, encoder, "network")
    encoder(PIXELS)
    assert encoder.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in encoder.state_dict().items())
    assert store_folder(tmp_path, encoder, "network") == folder


@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/test_efficientnet"])
def test_other_weights_are_folded_again(name):
    encoder = made(name)
    first, same = encoder(PIXELS).features, encoder(PIXELS).features
    assert torch.equal(first, same)
    other = made(name)
    disturb(other.network)
    encoder.load_state_dict(other.state_dict())
    assert not torch.allclose(encoder(PIXELS).features, first)
    assert_near(encoder(PIXELS).features, unfolded(other))


@pytest.mark.parametrize(
    ("name", "stage"), [("torchvision/resnet18", "layer4"), ("timm/test_efficientnet", "blocks.2")]
)
def test_training_a_stage_sees_the_unfolded_layers(name, stage):
    encoder = made(name, train_from=stage).train()
    assert encoder.runnable() is encoder.network
    encoder(PIXELS).features.sum().backward()
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    assert trained
    assert all(parameter.grad is not None for parameter in trained)
    encoder.eval()
    with torch.no_grad():
        assert not norms(encoder.runnable())
        assert_near(encoder(PIXELS).features, unfolded(encoder))


def test_a_copy_made_in_inference_mode_serves_where_gradients_are_needed():
    encoder = made("torchvision/resnet18")
    with torch.inference_mode():
        encoder(PIXELS)
    with torch.no_grad():
        run = encoder.runnable()
    pixels = encoder.preprocess.normalise(PIXELS).requires_grad_()
    run(pixels)["regions"].sum().backward()
    assert pixels.grad is not None


class Branches(nn.Module):
    """Convolutions that must not be folded: read twice, run twice, standardised; and one that can be."""

    def __init__(self):
        super().__init__()
        self.twice_read, self.twice_run, self.plain = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(4))
        self.standardised = StandardisedConv2d(3, 3, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        read = self.twice_read(pixels)
        total = self.norms[0](read) + read
        total = total + self.norms[1](self.twice_run(self.twice_run(total)))
        return self.norms[3](self.plain(self.norms[2](self.standardised(total))))


class StandardisedConv2d(nn.Conv2d):
    def forward(self, pixels: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(pixels, weight, self.bias)


def test_only_a_batch_norm_that_alone_reads_a_plain_convolution_is_folded():
    network = Branches().eval()
    disturb(network)
    pixels = torch.randn(2, 3, 8, 8)
    with torch.no_grad(), pairs_of(network) as pairs:
        expected = network(pixels)
    assert pairs == [("plain", "norms.3")]
    with torch.no_grad():
        assert_near(folded(network, pairs)(pixels), expected)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
