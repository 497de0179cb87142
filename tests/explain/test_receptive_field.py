"""The effective receptive field of networks whose field is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from captioner import cli
from captioner.commands.describe.encoder_field import describe_field
from captioner.encoders import Encoder
from captioner.encoders.preprocess import Preprocess
from captioner.encoders.timm_network import TimmNetwork
from captioner.errors import UserError
from captioner.explain import receptive_field as module
from captioner.explain.receptive_field import receptive_field
from captioner.regions import Boxes, Grid
from tests.helpers import DRAWN

PIXELS = torch.randint(256, (3, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Network(Encoder):
    """5 x 5 regions of 8 x 8 pixels of a view of 40 x 40."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.preprocess, self.layout, self.frozen = Preprocess((40, 40), (40, 40)), Grid(5, 5), True
        self.region_size = self.layers(torch.zeros(1, 3, 40, 40)).shape[1]

    def features(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels).flatten(2).transpose(1, 2)


def sums(size: int, channels: int = 1) -> nn.Conv2d:
    """The sum of size x size pixels around each region's centre."""
    layer = nn.Conv2d(3, channels, size, stride=8, padding=(size - 8) // 2)
    nn.init.ones_(layer.weight)
    return layer


@pytest.mark.parametrize(("size", "half", "most"), [(8, 6, 8), (24, 18, 24)])
def test_of_a_sum_over_a_square_the_field_is_this_square(size, half, most):
    """An inner square of 6 holds 36 of 64 pixels, one of 18 holds 324 of 576, and one of 16 or 22 too few."""
    field = receptive_field(Network(sums(size, channels=4)), PIXELS)
    assert field.widths == {0.5: half, 0.9: most}
    assert (field.row, field.column, field.size) == (2, 2, (8, 8))
    assert field.offset == pytest.approx((0, 0))


def test_a_field_beside_its_region_is_seen():
    """Padding to the left and above alone, as a stride of 2 with padding 1 has it, moves the field there."""
    field = receptive_field(Network(nn.ZeroPad2d((3, -3, 1, -1)), sums(8)), PIXELS)
    assert field.offset == pytest.approx((-3, -1))
    assert field.widths == {0.5: 6, 0.9: 8}


def test_what_a_photo_shows_where_does_not_move_the_centre():
    """The right half of every photo is brighter, and bright pixels alone have gradients."""
    bright = PIXELS.clone()
    bright[..., :20] = 0
    bright[..., 20:] = 255
    network = Network(nn.Threshold(0.5, 0.0), sums(24))
    assert receptive_field(network, bright).offset == pytest.approx((0, 0))


def test_random_signs_estimate_the_gradients_of_all_features(monkeypatch):
    torch.manual_seed(0)
    network = Network(nn.Conv2d(3, 8, 9, 4, 4), nn.ReLU(), nn.Conv2d(8, 5, 5, 2, 2)).double()
    inputs = network.preprocess.normalise(PIXELS[:1]).double()
    jacobian = torch.autograd.functional.jacobian(
        lambda pixels: network.features(pixels)[0, 12], inputs
    )  # (D, 1, 3, h, w)
    exact = jacobian.square().sum((0, 1, 2))
    monkeypatch.setattr(module, "PROBES", 400)
    monkeypatch.setattr(network.preprocess.__class__, "normalise", lambda self, pixels: inputs.clone())
    (estimated,) = module._energies(network, PIXELS[:1], 12, torch.Generator().manual_seed(0))
    assert (estimated - exact / exact.sum()).abs().sum() < 0.15


def test_what_has_no_field_is_refused():
    with pytest.raises(UserError, match="got a gradient of 0"):
        receptive_field(Network(nn.Conv2d(3, 2, 8, 8), nn.Threshold(1e9, 0.0)), PIXELS)
    boxes = Network(sums(8))
    boxes.layout = Boxes(torch.zeros(1, 25, 4))
    with pytest.raises(UserError, match="regions on a grid, got boxes"):
        receptive_field(boxes, PIXELS)
    with pytest.raises(UserError, match="got region files"):
        describe_field(DRAWN, ["encoder.kind=region_files", "encoder.folder=nowhere", "encoder.region_size=4"])


def test_the_command_prints_it_on_request(settings):
    arguments = ["describe", str(DRAWN), *settings]
    plain, more = (CliRunner().invoke(cli.app, [*arguments, *option]) for option in ([], ["--receptive-field"]))
    assert (plain.exit_code, more.exit_code) == (0, 0), more.output
    assert "receptive field" not in plain.output
    assert "with random weights, on" in more.output
    assert "90% of the squared gradient is in" in more.output


@pytest.mark.slow
def test_a_trained_encoder_is_measured_with_its_weights():
    (first, *_) = describe_field(cli.options.model_and_overrides(None, [])[0])
    assert "with the weights of" in first


def test_a_feature_of_the_whole_photo_is_no_part_of_a_regions_field():
    torch.manual_seed(0)
    options = {"network": "test_efficientnet", "weights": "none", "input_size": 96, "stride": 16}
    encoder, with_whole = TimmNetwork(**options), TimmNetwork(**options, mean="last_map")
    encoder.network.load_state_dict(with_whole.network.state_dict(), strict=False)
    pixels = torch.randint(256, (1, 3, 96, 96), dtype=torch.uint8)
    assert receptive_field(with_whole, pixels) == receptive_field(encoder, pixels)
