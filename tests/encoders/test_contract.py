"""What holds for every encoder."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torchvision import models

from captioner.encoders import KINDS, TorchvisionNetwork
from captioner.encoders.torchvision_network import network_names
from captioner.errors import UserError
from captioner.regions import Grid

NETWORKS = ["squeezenet1_1", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "alexnet"]
SMALL = {
    "detector": lambda: KINDS["detector"](weights="none", input_size=96),
    "timm": lambda: KINDS["timm"]("test_efficientnet", weights="none"),
}
MAKERS = {**KINDS, **SMALL, **{name: lambda name=name: TorchvisionNetwork(name, weights="none") for name in NETWORKS}}


@pytest.fixture(scope="module", params=MAKERS)
def encoder(request):
    torch.manual_seed(0)
    return MAKERS[request.param]()


def pixels_of(encoder, count: int = 2) -> torch.Tensor:
    photo = Image.effect_noise((120, 90), 80).convert("RGB")
    return torch.stack([encoder.preprocess(photo)[0]] * count)


def test_it_gives_what_it_states(encoder):
    regions = encoder.eval()(pixels_of(encoder))
    assert regions.features.shape == (2, encoder.layout.num_regions, encoder.region_size)
    if isinstance(encoder.layout, Grid):  # boxes differ from photo to photo
        assert regions.layout == encoder.layout
        assert regions.mask.all()


def test_pixels_scaled_before_are_refused(encoder):
    with pytest.raises(ValueError, match=r"must be uint8, 0 to 255, got torch\.float32"):
        encoder(pixels_of(encoder).float() / 255)


def test_frozen_means_evaluation_mode_and_no_gradient(encoder):
    """Batch-norm statistics of a frozen encoder left in training mode drift."""
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    features = encoder.train()(pixels_of(encoder)).features
    assert features.requires_grad != encoder.frozen
    assert encoder.training != encoder.frozen
    if encoder.frozen:
        assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_there_are_many_networks_and_a_transformer_says_why_not():
    assert len(network_names()) > 60
    with pytest.raises(ValueError, match="no feature map; choose"):
        TorchvisionNetwork("vit_b_32", weights="none")


def test_preprocessing_is_the_weights_own():
    """Pixel for pixel what torchvision's transforms give."""
    weights = models.MobileNet_V2_Weights.IMAGENET1K_V1
    photo = Image.effect_noise((300, 200), 90).convert("RGB")
    encoder = TorchvisionNetwork("mobilenet_v2", weights="IMAGENET1K_V1", download=False)
    ours = encoder.preprocess.normalise(encoder.preprocess(photo)[0][None])[0]
    torch.testing.assert_close(ours, weights.transforms()(photo))


def test_weights_that_are_not_there_are_named():
    with pytest.raises(UserError, match=r"no weights 'IMAGENET'; choose one of IMAGENET1K_V1"):
        TorchvisionNetwork("squeezenet1_1", weights="IMAGENET")


def test_weights_that_cannot_be_downloaded_say_where_to_put_the_file(monkeypatch, tmp_path):
    def unreachable(*arguments, **options):
        raise ConnectionError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(UserError, match=rf"squeezenet1_1-.*put it into {tmp_path}"):
        TorchvisionNetwork("squeezenet1_1", weights="IMAGENET1K_V1")


@pytest.mark.parametrize(
    ("size", "fit", "grid", "view"),
    [
        (None, "crop", (7, 7), (224, 224)),
        (448, "crop", (14, 14), (448, 448)),
        ([320, 192], "stretch", (6, 10), (320, 192)),
        (224, "letterbox", (7, 7), (224, 224)),
    ],
)
def test_any_input_size_and_aspect(size, fit, grid, view):
    encoder = TorchvisionNetwork("resnet18", "none", input_size=size, fit=fit)
    assert (encoder.layout.rows, encoder.layout.columns) == grid
    pixels, placement = encoder.preprocess(Image.new("RGB", (300, 500)))
    assert placement.view_size == view
    with torch.no_grad():
        assert encoder(pixels[None]).features.shape == (1, grid[0] * grid[1], 512)


def test_a_size_that_a_network_cannot_take_is_refused():
    with pytest.raises(ValueError, match=r"alexnet does not accept 16 x 16 pixels .*; give another input_size"):
        TorchvisionNetwork("alexnet", "none", input_size=16)
    with pytest.raises(ValueError, match=r"one edge or \[width, height\], got \[1, 2, 3\]"):
        TorchvisionNetwork("alexnet", "none", input_size=[1, 2, 3])


def test_fine_tuning_trains_a_stage_and_what_comes_after_it_and_leaves_batch_norm_still():
    torch.manual_seed(0)
    encoder = TorchvisionNetwork("resnet18", "none", input_size=64, train_from="layer4")
    assert not encoder.frozen
    trained = {name.split(".")[1] for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert trained == {"layer4"}
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    encoder.train()(pixels_of(encoder)).features.square().mean().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in encoder.named_buffers())
    gradients = {name: parameter.grad for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert gradients
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())


def test_an_error_for_an_unknown_stage_lists_the_stages():
    with pytest.raises(ValueError, match=r"got 'layer5'; it has .*layer3\.0.*layer4\.1"):
        TorchvisionNetwork("resnet18", "none", input_size=64, train_from="layer5")


@pytest.mark.parametrize(("network", "grid"), [("vgg11", (8, 8)), ("alexnet", (7, 7)), ("resnet18", (8, 8))])
def test_a_network_is_cut_before_its_pooling_at_any_size(network, grid):
    """VGG's and AlexNet's average pool gives 7 x 7 and 6 x 6 of any photo: cells made of others."""
    encoder = TorchvisionNetwork(network, "none", input_size=256)
    assert (encoder.layout.rows, encoder.layout.columns) == grid


def test_a_network_that_shifts_its_input_does_so_without_its_download_too(monkeypatch):
    made = []
    real = models.get_model

    def get_model(name, weights=None, **options):
        made.append(options)
        return real(name, weights=None, init_weights=False, **options)

    monkeypatch.setattr(models, "get_model", get_model)
    TorchvisionNetwork("googlenet", "IMAGENET1K_V1", download=False)
    TorchvisionNetwork("googlenet", "none")
    assert made == [{"transform_input": True}, {}]
