"""Networks of timm as encoders, with random weights."""

from __future__ import annotations

import pickle
from urllib.error import URLError

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.layers import resample_abs_pos_embed

from captioner import builder
from captioner.commands.describe.description import describe
from captioner.commands.pack import pack
from captioner.commands.train import train
from captioner.encoders import TimmNetwork
from captioner.encoders.timm_network import preprocess_of
from captioner.errors import UserError
from captioner.regions import Grid
from captioner.text.vocabulary import Vocabulary
from tests.helpers import CONFIGS, DRAWN

CONVOLUTIONAL = {  # an input size, the grid and the size of a region
    "test_resnet": (96, (3, 3), 96),
    "test_efficientnet": ([96, 64], (2, 3), 256),
    "test_convnext": (64, (2, 2), 64),
    "test_nfnet": (64, (2, 2), 192),
    "test_byobnet": (64, (2, 2), 256),
    "test_mambaout": (64, (2, 2), 64),
    "test_coatnet": (128, (4, 4), 128),
    "mobilenetv3_small_050": (64, (2, 2), 288),
    "swin_tiny_patch4_window7_224": ([96, 64], (2, 3), 768),
}
TRANSFORMERS = {
    "test_vit": (64, (4, 4), 64),
    "test_vit2": (64, (4, 4), 64),  # normalises after pooling
    "test_vit3": ([96, 64], (4, 6), 96),  # pools by attention
    "test_vit4": (64, (4, 4), 96),
    "test_vit_relpos": (64, (4, 4), 96),
    "deit_tiny_distilled_patch16_224": (64, (4, 4), 192),  # two class tokens
    "eva02_tiny_patch14_224": (56, (4, 4), 192),
    "vit_small_patch14_reg4_dinov2": (56, (4, 4), 384),  # a class token and four registers
    "vit_xsmall_patch16_clip_224": (64, (4, 4), 256),
    "gmixer_12_224": (224, (14, 14), 384),  # no class token
}
NETWORKS = CONVOLUTIONAL | TRANSFORMERS


def made(network: str, **options) -> TimmNetwork:
    torch.manual_seed(0)
    return TimmNetwork(network, **{"weights": "none", **options})


def pixels_of(encoder: TimmNetwork, count: int = 1) -> torch.Tensor:
    width, height = encoder.preprocess.crop
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


@torch.no_grad()
def features_of(encoder: TimmNetwork, pixels: torch.Tensor) -> torch.Tensor:
    return encoder(pixels).features


@pytest.fixture
def reference():
    """A small network made by timm itself."""
    torch.manual_seed(1)
    return timm.create_model("test_resnet").eval()


# Regions


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_the_regions_that_it_states(network):
    input_size, grid, size = NETWORKS[network]
    encoder = made(network, input_size=input_size)
    assert encoder.layout == Grid(*grid)
    assert encoder.region_size == size
    assert encoder.frozen
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    features = features_of(encoder, pixels_of(encoder, 2))
    assert features.shape == (2, grid[0] * grid[1], size)
    assert features.isfinite().all()


@pytest.mark.parametrize("network", [name for name in TRANSFORMERS if name != "gmixer_12_224"])
def test_the_regions_of_a_transformer_are_its_patch_tokens(network):
    """Computed by timm: what the network makes of a photo, without the class and register tokens that stand before the patches."""
    encoder = made(network, input_size=TRANSFORMERS[network][0])
    width, height = encoder.preprocess.crop
    plain = timm.create_model(network, img_size=(height, width)).eval()
    weights = encoder.network.state_dict() | {
        f"fc_norm.{key}": value for key, value in encoder.norm.state_dict().items()
    }
    missing, unexpected = plain.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.startswith(("head", "attn_pool")) for name in missing)
    pixels = pixels_of(encoder)
    with torch.no_grad():
        tokens = plain.forward_features(encoder.preprocess.normalise(pixels))[:, plain.num_prefix_tokens :]
        tokens = plain.fc_norm(tokens)
    torch.testing.assert_close(features_of(encoder, pixels), tokens, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", ["test_resnet", "test_convnext", "test_vit"])
@pytest.mark.parametrize("cell", [(0, 0), (0, 2), (1, 0), (1, 2)])
def test_a_region_lies_where_the_layout_says(network, cell):
    """What changes in one place of the view changes the region there most."""
    encoder = made(network, input_size=[192, 128])
    rows, columns = encoder.layout.rows, encoder.layout.columns
    before = torch.full((1, 3, 128, 192), 100, dtype=torch.uint8)
    after = before.clone()
    top, left = cell[0] * 64, cell[1] * 64
    after[:, :, top + 16 : top + 48, left + 16 : left + 48] = pixels_of(encoder)[:, :, :32, :32]
    change = (features_of(encoder, after) - features_of(encoder, before)).norm(dim=2)[0]
    row, column = divmod(int(change.argmax()), columns)
    assert (row * 2 // rows, column * 3 // columns) == cell


# Stride and input size


def test_a_stride_chooses_the_map_and_both_joins_them():
    fine, coarse, both = (made("test_efficientnet", input_size=96, stride=one) for one in (16, 32, "both"))
    assert (fine.layout, coarse.layout, both.layout) == (Grid(6, 6), Grid(3, 3), Grid(6, 6))
    assert both.region_size == fine.region_size + coarse.region_size
    fine.network.load_state_dict(both.network.state_dict(), strict=False)
    coarse.network.load_state_dict(both.network.state_dict(), strict=False)
    pixels = pixels_of(both)
    joined = features_of(both, pixels)
    torch.testing.assert_close(joined[..., : fine.region_size], features_of(fine, pixels))
    rest, small = joined[..., fine.region_size :], features_of(coarse, pixels)
    torch.testing.assert_close(rest[:, [0, 5, 30, 35]], small[:, [0, 2, 6, 8]])  # the corners
    assert sum(one.numel() for one in fine.parameters()) < sum(one.numel() for one in coarse.parameters())


def test_the_mean_can_be_that_of_the_last_map():
    fine, coarse = (made("test_efficientnet", input_size=96, stride=one) for one in (16, 32))
    both = made("test_efficientnet", input_size=96, stride=16, mean="last_map")
    for one in (fine, coarse):
        one.network.load_state_dict(both.network.state_dict(), strict=False)
    pixels = pixels_of(both, 2)
    with torch.no_grad():
        regions, expected = both(pixels), coarse(pixels).mean()
    torch.testing.assert_close(regions.features, features_of(fine, pixels))
    torch.testing.assert_close(regions.photo(), expected)
    torch.testing.assert_close(regions.mean(), regions.features.mean(1))
    assert (both.region_size, both.whole_size) == (fine.region_size, coarse.region_size)
    stored = both.pack(regions)
    assert stored.shape == (2, 36, both.packed_size)
    assert both.packed_size == fine.region_size + 8  # 256 numbers of the photo in 36 regions
    again = both.unpack(stored)
    torch.testing.assert_close(again.photo(), regions.photo(), rtol=0, atol=0)
    torch.testing.assert_close(again.features, regions.features, rtol=0, atol=0)


@pytest.mark.parametrize("stride", [None, 32, "both"])
def test_the_mean_of_the_last_map_needs_regions_of_a_finer_one(stride):
    with pytest.raises(ValueError, match="set stride: 8 or 16, got"):
        made("test_efficientnet", input_size=96, stride=stride, mean="last_map")
    with pytest.raises(ValueError, match="leave align out"):
        made("test_efficientnet", input_size=96, stride=16, mean="last_map", align=True)


def test_the_mean_of_the_last_map_needs_a_refiner():
    network = ["encoder.kind=timm", "encoder.network=test_efficientnet", "encoder.weights=none", "encoder.stride=16"]
    settings = builder.read(DRAWN, [*network, "encoder.mean=last_map", "refiner.layers=0", "refiner.project=false"])
    with pytest.raises(UserError, match=r"set refiner\.project=true"):
        builder.make_model(settings, Vocabulary(["a"]))


def test_a_stride_that_a_network_lacks_is_refused_with_those_that_it_has():
    with pytest.raises(ValueError, match="test_vit has no map of stride 32; it has 16; leave stride out for the last"):
        made("test_vit", stride=32)
    with pytest.raises(ValueError, match="no map of stride 16; it has 14"):
        made("eva02_tiny_patch14_224", input_size=56, stride="both")


@pytest.mark.parametrize(
    ("network", "size", "message"),
    [
        ("test_vit", 90, "multiple of that, got 90 x 90|does not accept 90 x 90 pixels .*divisible by patch size"),
        ("eva02_tiny_patch14_224", 64, "multiple of that, got 64 x 64|does not accept 64 x 64 pixels"),
        ("test_resnet", [64, 64, 64], r"one edge or \[width, height\], got \[64, 64, 64\]"),
    ],
)
def test_a_size_that_a_network_cannot_take_is_refused_in_one_line(network, size, message):
    with pytest.raises(ValueError, match=message) as refused:
        made(network, input_size=size)
    assert "\n" not in str(refused.value)


def test_position_embeddings_of_a_file_are_resampled_to_the_input_size(tmp_path):
    plain = timm.create_model("test_vit")
    save_file(plain.state_dict(), tmp_path / "w.safetensors")
    encoder = made("test_vit", weights=str(tmp_path / "w.safetensors"), input_size=[128, 96])
    wanted = resample_abs_pos_embed(plain.pos_embed, (6, 8), num_prefix_tokens=plain.num_prefix_tokens)
    torch.testing.assert_close(encoder.network.pos_embed.data, wanted.data)
    assert not torch.equal(wanted[:, -1], plain.pos_embed[:, -1])


# Preprocessing


OWN = [
    "resnet18.a1_in1k",  # bicubic, a margin of 5 %
    "resnet18.tv_in1k",  # bilinear
    "tf_efficientnet_lite2.in1k",  # mean and std 0.5
    "vit_base_patch32_clip_224.openai",  # CLIP's mean and std
    "vit_base_patch16_siglip_224.webli",
    "vit_small_patch14_dinov2.lvd142m",
    "convnext_small.in12k_ft_in1k_384",  # stretched
    "dm_nfnet_f0.dm_in1k",  # stretched, with a margin
    "eva02_base_patch14_448.mim_in22k_ft_in1k",
]


@pytest.mark.parametrize("network", OWN)
@pytest.mark.parametrize("size", [(300, 200), (200, 333)])
def test_preprocessing_is_that_of_timm(network, size):
    photo = Image.effect_noise(size, 90).convert("RGB").resize((2 * size[0], 2 * size[1]), Image.Resampling.BICUBIC)
    preprocess = preprocess_of(network, None, "own")
    ours = preprocess.normalise(preprocess(photo)[0][None])[0]
    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(network).to_dict())
    torch.testing.assert_close(ours, create_transform(**config)(photo), rtol=0, atol=1e-5)


def test_preprocessing_differs_among_them():
    assert (
        len({(one.mean, one.std, one.interpolation) for one in (preprocess_of(name, None, "own") for name in OWN)}) > 3
    )


@pytest.mark.parametrize(
    ("fit", "resize"), [("own", 134), ("crop", 134), ("stretch", (128, 128)), ("letterbox", "inside")]
)
def test_a_fit_and_a_size_of_ones_own(fit, resize):
    preprocess = preprocess_of("resnet18.a1_in1k", 128, fit)
    assert (preprocess.resize, preprocess.crop) == (resize, (128, 128))


# Training from a stage


@pytest.mark.parametrize(
    ("network", "stage", "frozen"),
    [
        ("test_resnet", "layer3", "layer2."),
        ("test_vit", "blocks.4", "blocks.3."),
        ("test_efficientnet", "blocks.4", "blocks.3."),
    ],
)
def test_a_stage_is_trained_with_what_comes_after_it(network, stage, frozen):
    encoder = made(network, input_size=64, train_from=stage)
    assert not encoder.frozen
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    encoder.train()(pixels_of(encoder, 2)).features.square().mean().backward()
    trained = {name: one for name, one in encoder.network.named_parameters() if one.requires_grad}
    assert any(name.startswith(stage) for name in trained)
    assert not any(name.startswith((frozen, "conv1", "patch_embed", "pos_embed")) for name in trained)
    assert all(one.grad is not None for one in trained.values())
    assert all(torch.equal(buffer, before[name]) for name, buffer in encoder.named_buffers())


def test_a_stage_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"got 'layer9'; it has .*layer3.*layer4"):
        made("test_resnet", input_size=64, train_from="layer9")


# Weights


@pytest.mark.parametrize(
    "form", ["safetensors", "state dict", "checkpoint", "no classifier", "other classes", "other names"]
)
def test_weights_come_from_a_file(reference, form, tmp_path):
    tensors, file = reference.state_dict(), tmp_path / "weights.pth"
    if form == "checkpoint":
        tensors = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}
    if form == "no classifier":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("fc.")}
    if form == "other classes":
        tensors |= {"fc.weight": torch.zeros(7, 96), "fc.bias": torch.zeros(7)}
    if form == "other names":  # as another library has them, in the same order
        kept = [tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")]
        tensors = {f"_{index}": tensor for index, tensor in enumerate(kept)}
    if form == "safetensors":
        file = tmp_path / "weights.safetensors"
        save_file(tensors, file)
    else:
        torch.save(tensors, file)
    encoder = made("test_resnet", weights=str(file), input_size=96)
    pixels = pixels_of(encoder)
    with torch.no_grad():
        wanted = reference.forward_features(encoder.preprocess.normalise(pixels)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(features_of(encoder, pixels), wanted, rtol=1e-4, atol=1e-4)


class Dangerous:
    def __reduce__(self):
        return (open, ("ran", "w"))


def test_a_file_that_does_not_fit_or_is_no_file_of_weights_is_refused_in_one_line(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file(reference.state_dict(), "resnet.safetensors")
    torch.save(dict(list(reference.state_dict().items())[3:]), "cut.pth")
    torch.save({"epoch": 3}, "empty.pth")
    (tmp_path / "garbage.pth").write_bytes(b"PK\x03\x04 garbage")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "resnet.safetensors").read_bytes()[:1000])
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"weight": Dangerous()}))
    (tmp_path / "list.pth").write_bytes(pickle.dumps([1, 2]))
    for network, file, message in [
        ("test_efficientnet", "resnet.safetensors", "resnet.safetensors is not of test_efficientnet .*has no"),
        ("test_resnet", "cut.pth", "cut.pth is not of test_resnet .*has no conv1"),
        ("test_resnet", "empty.pth", "not a file of weights"),
        ("test_resnet", "garbage.pth", "not a file of weights"),
        ("test_resnet", "half.safetensors", "not a file of weights"),
        ("test_resnet", "code.pth", "not a file of weights"),
        ("test_resnet", "list.pth", "not a file of weights"),
        ("test_resnet", "missing.pth", "DEFAULT, none or a file of weights, and there is no file 'missing.pth'"),
    ]:
        with pytest.raises(UserError, match=message) as refused:
            made(network, weights=file, input_size=64)
        assert "\n" not in str(refused.value), file
    assert not (tmp_path / "ran").exists()


def test_weights_that_cannot_be_downloaded_say_what_to_fetch(monkeypatch):
    def unreachable(*arguments, **options):
        raise URLError("no network")

    monkeypatch.setattr("captioner.readers.hub_access.urlopen", unreachable)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *arguments: None)
    with pytest.raises(
        UserError,
        match=r"fetch https://huggingface.co/timm/test_resnet\S* elsewhere and give it as encoder.weights=PATH",
    ):
        made("test_resnet", weights="DEFAULT")


def test_weights_downloaded_earlier_need_no_network(reference, monkeypatch, tmp_path):
    save_file(reference.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *arguments: str(tmp_path / "model.safetensors")
    )
    encoder = made("test_resnet", weights="DEFAULT", input_size=64)
    assert torch.equal(encoder.network.conv1[0].weight, reference.conv1[0].weight)


def test_a_network_without_weights_says_which_have_some():
    with pytest.raises(UserError, match=r"timm has no weights of 'efficientnet_lite2'; .*tf_efficientnet_lite2"):
        made("efficientnet_lite2", weights="DEFAULT")


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tf_efficientnet_light2", "got 'tf_efficientnet_light2'; did you mean .*'tf_efficientnet_lite2'"),
        ("vit_small_patch14_dinov2.lvd142", r"did you mean 'vit_small_patch14_dinov2.lvd142m'"),
        ("hf-hub:timm/resnet18", "the name of a network of timm, got 'hf-hub:timm/resnet18'"),
        ("zzz", "the name of a network of timm, got 'zzz'$"),
        ("", "the name of a network of timm, got ''"),
    ],
)
def test_an_unknown_name_is_answered_with_similar_ones_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as refused:
        made(name)
    assert "\n" not in str(refused.value)


def test_the_network_is_a_setting_of_this_kind_alone():
    settings = builder.read(DRAWN, ["encoder.kind=timm", "encoder.network=test_vit", "encoder.stride=both"])
    assert settings.encoder.options["network"] == "test_vit"
    assert settings.encoder.options["stride"] == "both"
    assert "network" not in builder.read(DRAWN, ["encoder.kind=resnet18"]).encoder.options
    with pytest.raises(UserError, match=r"encoder\.network is missing"):
        builder.read(DRAWN, ["encoder.kind=timm"])
    with pytest.raises(UserError, match=r"encoder\.network"):
        builder.read(DRAWN, ["encoder.kind=resnet18", "encoder.network=resnet50"])
    with pytest.raises(UserError, match=r"encoder\.stride"):
        builder.read(DRAWN, ["encoder.kind=timm", "encoder.network=test_vit", "encoder.stride=7"])


# A run


TRIED = {
    "frozen": ["encoder.network=test_vit"],
    "both": ["encoder.network=test_efficientnet", "encoder.stride=both"],
    "mean": [
        "encoder.network=test_efficientnet",
        "encoder.stride=16",
        "encoder.mean=last_map",
        "refiner.project=true",
        "refiner.size=16",
    ],
    "trained": ["encoder.network=test_resnet", "encoder.train_from=layer4", "optimiser.encoder_learning_rate=1e-4"],
}


@pytest.mark.parametrize("name", TRIED)
def test_a_run_is_trained_and_captions_without_the_file_of_weights(name, settings, pictures, tmp_path):
    network = TRIED[name][0].partition("=")[2]
    file = tmp_path / "weights.safetensors"
    torch.manual_seed(2)
    save_file(timm.create_model(network).state_dict(), file)
    overrides = [one for one in settings if not one.startswith(("encoder.", "run.epochs"))]
    overrides += ["encoder.kind=timm", *TRIED[name], "encoder.input_size=64", f"encoder.weights={file}", "run.epochs=1"]
    overrides.append(f"run.features={tmp_path / 'features'}")
    parts, notes = describe(DRAWN, overrides)
    assert parts[0].what == "TimmNetwork"
    assert [note for note in notes if "onnxruntime" not in note] == []
    run = train(DRAWN, overrides)
    stored = [folder.name for folder in (tmp_path / "features").glob("*")]
    assert len(stored) == (name != "trained")
    assert all(folder.startswith(f"{network}-") for folder in stored)
    photo = min((pictures / "images").glob("val_*.png"))
    file.unlink()
    captioner = builder.load(run)
    encoder = captioner.model.encoder
    options = {"both": {"stride": "both"}, "mean": {"stride": 16}}.get(name, {})
    assert encoder.region_size == made(network, input_size=64, **options).region_size
    first = captioner.caption(photo)
    assert first.words
    assert first.layout == encoder.layout
    pack(run, tmp_path / "packed", trained_on="drawn pictures")
    assert builder.load(tmp_path / "packed").caption(photo).words


def test_the_recipe_for_flickr8k_has_64_regions():
    encoder = builder.make_encoder(builder.read(CONFIGS / "flickr8k_lite.yaml"), download=False)
    assert (encoder.layout, encoder.region_size, encoder.frozen) == (Grid(8, 8), 1280, True)
    assert encoder.preprocess.mean == (0.5, 0.5, 0.5)
