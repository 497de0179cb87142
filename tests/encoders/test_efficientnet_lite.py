"""EfficientNet-Lite in plain PyTorch is timm's."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.data import resolve_data_config

from captioner.encoders import TimmNetwork, efficientnet_lite
from captioner.encoders.efficientnet_lite import EfficientNetLite

NETWORKS = ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"]


def test_every_network_is_one_of_timm():
    assert sorted(efficientnet_lite._SIZES) == NETWORKS


@pytest.mark.parametrize("network", NETWORKS)
def test_preprocessing_is_that_of_timm(network):
    expected = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(network).to_dict())
    assert efficientnet_lite.data_config(network) == expected
    assert efficientnet_lite.data_config(f"{network}.in1k") == expected


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("stride", [None, 8, 16, "both"])
def test_regions_are_those_of_timm_to_the_last_bit(network, stride):
    """Also where edges of the view are odd, so that padding is uneven. Weights are timm's, batch norm's own numbers random."""
    torch.manual_seed(0)
    options = {"input_size": [76, 65], "stride": stride, "weights": "none"}
    expected = TimmNetwork(network, **options)
    for name, tensor in expected.network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
    made = TimmNetwork(network, **options, download=False)
    assert isinstance(made.network, EfficientNetLite)
    assert not isinstance(expected.network, EfficientNetLite)
    made.load_state_dict(expected.state_dict())
    assert (made.region_size, made.layout, made.preprocess) == (
        expected.region_size,
        expected.layout,
        expected.preprocess,
    )
    assert len(made.folded.pairs) == len(expected.folded.pairs) > 0
    pixels = torch.randint(0, 256, (2, 3, 65, 76), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(made(pixels).features, expected(pixels).features)


def test_a_stage_is_trained_as_in_timm():
    options = {"input_size": 64, "weights": "none", "train_from": "blocks.5"}
    trained = [
        {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        for network in (TimmNetwork(NETWORKS[0], **options, download=download) for download in (True, False))
    ]
    assert trained[0] == trained[1]
    assert trained[0]
