"""Frozen encoders in onnxruntime: the same regions, chosen where it is worth the export, and torch otherwise."""

from __future__ import annotations

import copy
import sys

import pytest
import torch

from captioner.encoders import KINDS, Detector, SmallCNN, TimmNetwork, TorchvisionNetwork
from captioner.encoders import onnx_runtime as runtime
from captioner.encoders.contract import FEW_PHOTOS, Encoder
from captioner.errors import UserError
from captioner.features.store import store_folder
from tests.encoders.test_folding import PIXELS, disturb

pytest.importorskip("onnxruntime", reason="needs the extra onnx: pip install -e '.[onnx]'")
pytest.importorskip("onnxscript", reason="needs the extra onnx: pip install -e '.[onnx]'")

NETWORKS = {
    "test_efficientnet": {"align": True},
    "resnet18": {},
    "mobilenet_v2": {"align": True},
    "shufflenet_v2_x0_5": {},
    "test_resnet": {"stride": "both"},
    "test_convnext": {},
    "test_vit": {},
    "tf_efficientnet_lite0": {"align": True},
    "mobilenetv3_small_050": {},
}
QUICK = {"test_efficientnet"}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(runtime.CACHE, str(folder))
    return folder


def small(wanted: str = "torch", frozen: bool = True) -> Encoder:
    """A small encoder for 16 x 16 pixels, with random statistics."""
    torch.manual_seed(0)
    encoder = SmallCNN(size=16, width=4, region_size=8, frozen=frozen)
    disturb(encoder.layers)
    encoder.run_in(wanted)
    return encoder


def photos(encoder: Encoder, count: int = 3) -> torch.Tensor:
    width, height = encoder.preprocess.crop
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def assert_near(features: torch.Tensor, expected: torch.Tensor) -> None:
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(features, expected, rtol=0, atol=runtime.TOLERANCE * float(expected.abs().max()))


def test_the_small_network_is_exported_without_batch_norm():
    encoder = small()
    other = encoder.for_inference()
    assert [module for module in other.modules() if isinstance(module, torch.nn.BatchNorm2d)] == []
    pixels = encoder.preprocess.normalise(photos(encoder))
    assert_near(other.features(pixels), encoder.features(pixels))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_onnxruntime_gives_the_regions_of_torch(name, cache):
    torch.manual_seed(0)
    kind = TorchvisionNetwork if name in ("resnet18", "mobilenet_v2", "shufflenet_v2_x0_5") else TimmNetwork
    encoder = kind(name, weights="none", input_size=64, **NETWORKS[name])
    disturb(encoder.network)
    expected = encoder(PIXELS)
    encoder.run_in("onnx")
    regions = encoder(PIXELS)
    assert regions.layout == expected.layout
    assert not torch.equal(regions.features, expected.features)  # so that torch did not compute them
    assert_near(regions.features, expected.features)
    assert_near(encoder(PIXELS[:1]).features, expected.features[:1])
    assert len(list(cache.iterdir())) == 1


@pytest.fixture(scope="module")
def graph() -> bytes:
    return runtime._exported(small())


@pytest.fixture
def exports(monkeypatch, graph):
    """The encoders that are exported, one after the other; all get the same graph."""
    made: list[Encoder] = []
    monkeypatch.setattr(runtime, "_exported", lambda encoder: made.append(encoder) or graph)
    return made


def test_an_encoder_is_exported_once_and_found_in_the_cache_unless_the_file_is_damaged(cache, exports):
    encoder = small("onnx")
    pixels = photos(encoder)
    features = encoder(pixels).features
    assert_near(features, small()(pixels).features)
    assert torch.equal(small("onnx")(pixels).features, features)
    assert torch.equal(copy.deepcopy(encoder)(pixels).features, features)
    assert len(exports) == 1
    next(cache.iterdir()).write_bytes(b"damaged")
    assert torch.equal(small("onnx")(pixels).features, features)
    assert len(exports) == 2


def test_other_weights_are_exported_again_and_a_graph_of_others_is_refused(exports):
    encoder = small("onnx")
    pixels = photos(encoder)
    encoder(pixels)
    disturb(encoder.layers)
    with pytest.raises(UserError, match="its regions in onnxruntime differ by"):
        encoder(pixels)
    assert exports == [encoder, encoder]


def test_the_session_follows_the_number_of_threads(exports, monkeypatch):
    encoder, started, start = small("onnx"), [], runtime._started
    monkeypatch.setattr(runtime, "_started", lambda graph: started.append(torch.get_num_threads()) or start(graph))
    for threads in (1, 1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        encoder(photos(encoder))
    assert started == [1, 2]


def test_auto_exports_for_many_photos_alone_and_loads_for_some(exports, cache):
    def chosen(num_photos: int) -> bool:
        encoder = small("auto")
        encoder.expect(num_photos)
        return encoder.engine is not None

    assert not chosen(runtime.MANY_PHOTOS - 1)
    assert not exports
    assert chosen(runtime.MANY_PHOTOS)
    assert chosen(FEW_PHOTOS)
    assert not chosen(FEW_PHOTOS - 1)
    assert len(exports) == 1


@pytest.mark.parametrize(
    ("wanted", "frozen", "device", "precision", "text"),
    [
        ("auto", True, CPU, torch.float32, "onnxruntime for 1,000 new photos or more"),
        ("auto", False, CPU, torch.float32, "torch (it is trained)"),
        ("auto", True, CPU, torch.bfloat16, "torch (it computes in bfloat16)"),
        ("auto", True, torch.device("cuda"), torch.float32, "torch (it runs on cuda)"),
        ("torch", True, CPU, torch.float32, "torch (as encoder.runtime says)"),
        ("onnx", True, CPU, torch.bfloat16, "onnxruntime (as encoder.runtime says)"),
    ],
)
def test_the_runtime_and_its_reason_are_said(wanted, frozen, device, precision, text):
    assert runtime.runtime_text(small(wanted, frozen), device, precision).startswith(text)


def test_auto_stays_in_torch_without_onnxruntime_and_under_autocast(monkeypatch, exports):
    encoder = small("auto")
    encoder.expect(runtime.MANY_PHOTOS)
    pixels = photos(encoder)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder(pixels).features, small()(pixels).features)
    assert not torch.equal(encoder(pixels).features, small()(pixels).features)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    other = small("auto")
    other.expect(runtime.MANY_PHOTOS)
    assert other.engine is None
    assert "torch (onnxruntime is not installed: pip install " in runtime.runtime_text(other, CPU, torch.float32)


@pytest.mark.parametrize("wanted", ["auto", "onnx"])
def test_an_encoder_that_cannot_be_exported_runs_in_torch_or_says_so(wanted, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise RuntimeError("no operator\nlike this")

    monkeypatch.setattr(torch.export, "export", fail)
    encoder = small(wanted)
    pixels = photos(encoder)
    if wanted == "onnx":
        with pytest.raises(
            UserError, match=r"cannot be exported to ONNX \(no operator\); encoder\.runtime=torch needs no"
        ):
            encoder(pixels)
        return
    encoder.expect(runtime.MANY_PHOTOS)
    assert torch.equal(encoder(pixels).features, small()(pixels).features)
    assert "the encoder runs in torch: it cannot be exported" in capsys.readouterr().err


def test_onnx_is_refused_where_it_cannot_run(monkeypatch):
    with pytest.raises(UserError, match=r"cannot run this encoder: it is trained; set encoder\.runtime=auto"):
        small("onnx", frozen=False)
    with pytest.raises(UserError, match="number of boxes"):
        Detector(weights="none", input_size=96).run_in("onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"encoder\.runtime=onnx needs onnxscript, which is not installed; run pip"):
        small("onnx")


def test_the_feature_store_of_both_runtimes_is_the_same(tmp_path):
    assert store_folder(tmp_path, small("onnx"), "small") == store_folder(tmp_path, small(), "small")
    assert "small_cnn" in KINDS
