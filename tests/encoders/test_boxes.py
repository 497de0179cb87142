"""Boxes as regions: from a detector, and from files that others published."""

from __future__ import annotations

import json
import os
import shutil

import numpy
import pytest
import torch
from PIL import Image

from captioner import builder
from captioner.attention import AdditiveScore, LocalPredictiveAttention, Query
from captioner.commands.doctor import diagnose
from captioner.commands.evaluate import evaluate
from captioner.commands.pack import card
from captioner.commands.train import training_run as runs
from captioner.encoders import KINDS, Encoder, Refiner
from captioner.encoders.detector import Detector, pack_boxes, unpack_boxes
from captioner.encoders.preprocess import open_photo
from captioner.ensemble import Ensemble
from captioner.errors import UserError
from captioner.features.region_files import PublishedRegions, RegionFiles
from captioner.features.store import is_stored
from captioner.model import CaptionModel
from captioner.progress import Report
from captioner.regions import Boxes, Grid
from tests.helpers import DRAWN, REGION, make_decoder, make_regions

RANDOM = [
    "encoder.kind=detector",
    "encoder.weights=none",
    "encoder.input_size=96",
    "encoder.min_boxes=3",
    "encoder.max_boxes=8",
]


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return KINDS["detector"](weights="none", input_size=96, min_boxes=3, max_boxes=8)


@pytest.fixture
def batch(detector, pictures):
    photos = [open_photo(path) for path in sorted(pictures.glob("images/val_*.png"))[:3]]
    return torch.stack([detector.preprocess(photo)[0] for photo in photos])


def test_boxes_lie_in_the_view_and_padding_is_masked(detector, batch):
    detector.threshold = 0.0
    regions = detector(batch)
    counts = regions.mask.sum(1)
    assert regions.features.shape == (3, 8, detector.region_size)
    assert ((counts >= 3) & (counts <= 8)).all()
    corners = regions.layout.fractions[regions.mask]
    assert ((corners >= 0) & (corners <= 1)).all()
    assert (corners[:, 2:] >= corners[:, :2]).all()
    assert (regions.features[~regions.mask] == 0).all()


def test_boxes_are_exact_under_autocast(detector, batch):
    with torch.autocast("cpu", torch.bfloat16):
        found = detector(batch)
    expected = detector(batch)
    torch.testing.assert_close(found.layout.fractions, expected.layout.fractions)
    torch.testing.assert_close(found.features, expected.features)


def test_a_photo_without_proposals_is_a_single_region(detector, batch, monkeypatch):
    nothing = [torch.empty(0, 4)] + [torch.tensor([[5.0, 5.0, 50.0, 60.0]])] * 2
    monkeypatch.setattr(detector.detector.rpn, "forward", lambda *given: (nothing, {}))
    regions = detector(batch)
    assert regions.mask.sum(1).tolist() == [1, 1, 1]


def test_a_high_threshold_leaves_the_fewest(detector, batch):
    detector.threshold = 1.0
    assert (detector(batch).mask.sum(1) == 3).all()


def test_photos_of_a_batch_are_encoded_independently(detector, batch):
    together, alone = detector(batch), detector(batch[1:2])
    torch.testing.assert_close(together.features[1], alone.features[0], rtol=1e-4, atol=1e-4)


def test_what_is_packed_is_unpacked(detector, batch):
    regions = detector(batch)
    again = unpack_boxes(pack_boxes(regions).half())
    assert torch.equal(again.mask, regions.mask)
    torch.testing.assert_close(again.layout.fractions, regions.layout.fractions, rtol=0, atol=1 / 2048)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A feature store that the runs below share, since their encoders have the same weights."""
    return tmp_path_factory.mktemp("features")


@pytest.mark.parametrize("attention", ["soft", "local_predictive", "multi_head"])
def test_a_model_on_boxes_trains_from_the_store_and_draws_its_boxes(settings, pictures, tmp_path, features, attention):
    others = [setting for setting in settings if not setting.startswith(("encoder.", "attention."))]
    boxes = [
        *RANDOM,
        f"attention.kind={attention}",
        "refiner.project=true",
        "refiner.position=geometry",
        "refiner.size=16",
    ]
    runs.train(DRAWN, [*others, *boxes, "run.epochs=1", f"run.features={features}"])
    assert len(list(features.iterdir())) == 1
    caption = builder.load(tmp_path / "run").caption(next(pictures.glob("images/val_*.png")))
    assert isinstance(caption.layout, Boxes)
    assert caption.weights.shape == (len(caption.words), caption.layout.num_regions)
    assert 3 <= caption.layout.num_regions <= 8
    assert json.dumps(caption.as_json())


@pytest.fixture
def published(pictures, tmp_path):
    """Region files in the ways in which they are published, for the photos of the drawn set."""
    folder = tmp_path / "regions"
    (folder / "boxes").mkdir(parents=True)
    generator = numpy.random.default_rng(0)
    for number, photo in enumerate(sorted(pictures.glob("images/*.png"))):
        count = 2 + number % 3
        features = generator.random((count, 12), dtype=numpy.float32)
        boxes = numpy.array([[0, 0, 40, 80]] * count, numpy.float32)
        if number % 2:
            numpy.savez(folder / f"{photo.stem}.npz", features=features, bbox=boxes, image_w=80, image_h=80)
        else:
            numpy.save(folder / f"{photo.stem}.npy", features)
            numpy.save(folder / "boxes" / f"{photo.stem}.npy", boxes)
    return folder


def test_a_model_trains_on_published_regions_and_is_scored(settings, pictures, published, tmp_path):
    others = [one for one in settings if not one.startswith("encoder.")]
    files = ["encoder.kind=region_files", f"encoder.folder={published}", f"encoder.boxes={published / 'boxes'}"]
    photo = sorted(pictures.glob("images/train_*.png"))[0]
    for path in published.glob(f"{photo.stem}.np?"):
        path.unlink()
    listed = []

    class Unreadable(Report):
        def unreadable_photos(self, split, listed_in, reasons):
            listed.append(listed_in)

    runs.train(DRAWN, [*others, *files, "encoder.region_size=12", "run.epochs=1"], Unreadable())
    assert len(listed) == 1
    found = evaluate(tmp_path / "run", "val")
    assert {caption.layout.num_regions for caption in found.captions} == {2, 3, 4}
    assert found.rows["this model"]
    with pytest.raises(UserError, match=r"cannot caption a new photo; score splits with captioner eval"):
        builder.load(tmp_path / "run").caption(photo)
    shutil.copytree(tmp_path / "run", tmp_path / "second")
    together = evaluate(tmp_path / "run", "val", others=[tmp_path / "second"])
    assert [caption.words for caption in together.captions] == [caption.words for caption in found.captions]


def test_published_regions_of_every_shape_are_read(tmp_path):
    Image.new("RGB", (50, 20)).save(tmp_path / "COCO_val2014_000000000042.jpg")
    photo, size = tmp_path / "COCO_val2014_000000000042.jpg", 6
    encoder = RegionFiles(str(tmp_path), size, max_boxes=3)
    boxes = numpy.array([[0, 0, 25, 20], [25, 10, 50, 20]], numpy.float32)
    features = numpy.arange(12, dtype=numpy.float16).reshape(2, 6)
    numpy.savez(tmp_path / "42.npz", x=features.T, bbox=boxes)
    read, corners = encoder.read(photo)
    torch.testing.assert_close(read, torch.from_numpy(features).float())
    torch.testing.assert_close(corners, torch.tensor([[0, 0, 0.5, 1], [0.5, 0.5, 1, 1]]))
    numpy.savez(tmp_path / "42.npz", feat=numpy.ones((2, 2, 6), numpy.float32))
    with pytest.raises(UserError, match=r"a grid of 2 x 2 regions.*set encoder\.max_boxes=4"):
        encoder.read(photo)
    read, corners = RegionFiles(str(tmp_path), size, max_boxes=4).read(photo)
    assert len(read) == 4
    torch.testing.assert_close(corners, Grid(2, 2).corners().float())


BAD = {
    "nothing": ({}, r"should hold features under one of .*, got nothing"),
    "other size": (
        {"features": numpy.ones((2, 5))},
        r"features of 6 numbers, got shape \(2, 5\); set encoder.region_size",
    ),
    "no boxes": ({"features": numpy.ones((2, 6))}, "needs boxes"),
    "more boxes": (
        {"features": numpy.ones((2, 6)), "boxes": numpy.ones((3, 4))},
        "as many boxes as features, got 3 and 2",
    ),
    "none": ({"features": numpy.ones((0, 6)), "boxes": numpy.ones((0, 4))}, "at least one region"),
    "no number": ({"features": numpy.full((1, 6), numpy.nan), "boxes": numpy.ones((1, 4))}, "of finite numbers"),
    "too large a number": ({"features": numpy.full((1, 6), 1e300), "boxes": numpy.ones((1, 4))}, "of finite numbers"),
    "no box": ({"features": numpy.ones((1, 6)), "boxes": numpy.full((1, 4), numpy.nan)}, "of finite numbers"),
    "no width": (
        {"features": numpy.ones((1, 6)), "boxes": numpy.ones((1, 4)), "image_w": 0, "image_h": 9},
        "of finite numbers",
    ),
    "no rows": ({"features": numpy.ones((0, 2, 6))}, r"at least one region, got shape \(0, 2, 6\)"),
    "pickle": ({"features": numpy.array([{}], object)}, "without pickles"),
}


@pytest.mark.parametrize("kind", BAD)
def test_published_regions_of_a_wrong_format_are_named(tmp_path, kind):
    Image.new("RGB", (50, 20)).save(tmp_path / "one.png")
    held, complaint = BAD[kind]
    numpy.savez(tmp_path / "one.npz", **held)
    with pytest.raises(UserError, match=complaint):
        RegionFiles(str(tmp_path), 6).read(tmp_path / "one.png")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_regions_that_are_no_file_are_named_as_such(tmp_path, make):
    make(tmp_path / "one.npy")
    with pytest.raises(UserError, match=r"one\.npy should be a file, got a (folder|pipe, socket or device)"):
        RegionFiles(str(tmp_path), 6).read(tmp_path / "one.png")


def test_the_doctor_reads_published_regions(settings, published):
    next(published.glob("train*.npy")).write_text("1 2 3")
    others = [one for one in settings if not one.startswith("encoder.")]
    files = ["encoder.kind=region_files", f"encoder.folder={published}", f"encoder.boxes={published / 'boxes'}"]
    findings, _ = diagnose(DRAWN, [*others, *files, "encoder.region_size=12"])
    damaged = next(finding for finding in findings if finding.what == "photos that cannot be read")
    assert damaged.count == 1
    assert "should be a file of numpy arrays" in damaged.examples[0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_a_damaged_file_of_regions_is_named(tmp_path, content, suffix):
    (tmp_path / f"one{suffix}").write_bytes(content)
    with pytest.raises(UserError, match="should be a file of numpy arrays, but is not"):
        RegionFiles(str(tmp_path), 6).read(tmp_path / "one.png")


def test_boxes_are_fractions_of_the_upright_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 20)).save(tmp_path / "one.jpg", exif=exif)
    numpy.savez(tmp_path / "one.npz", features=numpy.ones((1, 6)), boxes=numpy.array([[0, 0, 10, 50]]))
    _, corners = RegionFiles(str(tmp_path), 6).read(tmp_path / "one.jpg")
    assert corners.tolist() == [[0, 0, 0.5, 1]]


def test_a_photo_without_published_regions_is_named(tmp_path):
    source = PublishedRegions([tmp_path / "one_0007.png"], RegionFiles(str(tmp_path), 6))
    (reason,) = source.unreadable([0]).values()
    assert "no regions of one_0007.png" in reason
    assert "7.npz" in reason
    shutil.rmtree(tmp_path)


def test_region_files_are_no_encoder_and_are_not_stored(tmp_path):
    files = RegionFiles(str(tmp_path), 6)
    assert not isinstance(files, Encoder)
    assert not is_stored(files)
    assert files.frozen
    assert is_stored(Detector(weights="none", input_size=96))


def test_a_model_of_region_files_takes_regions_and_refuses_pixels(tmp_path):
    model = CaptionModel(RegionFiles(str(tmp_path), REGION), make_decoder())
    regions = make_regions()
    assert model.regions(regions) is regions
    with pytest.raises(UserError, match="cannot caption a new photo"):
        model.regions(torch.zeros(1, 3, 1, 1, dtype=torch.uint8))


def test_models_of_an_ensemble_read_the_same_region_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = CaptionModel(RegionFiles(str(tmp_path / "files"), REGION, max_boxes=3), make_decoder())
    same = CaptionModel(RegionFiles("files", REGION, max_boxes=3), make_decoder())
    assert Ensemble([ours, same]).encoder is ours.encoder
    for options in ({"folder": "others"}, {"max_boxes": 4}, {"boxes": "boxes"}):
        files = RegionFiles(**{"folder": "files", "region_size": REGION, "max_boxes": 3, **options})
        with pytest.raises(UserError, match="or read the same region files in the same way"):
            Ensemble([ours, CaptionModel(files, make_decoder())])


@torch.no_grad()
def test_what_a_model_sees_in_a_photo_does_not_depend_on_the_others_of_its_batch(tmp_path):
    """Places of boxes are counted in regions, of which other photos may have more."""
    torch.manual_seed(0)
    files, paths = RegionFiles(str(tmp_path), REGION, max_boxes=12), []
    for count in (3, 9):
        paths.append(tmp_path / f"{count}.png")
        Image.new("RGB", (50, 20)).save(paths[-1])
        corners = torch.rand(count, 4).sort(1).values * torch.tensor([50, 20, 50, 20])
        numpy.savez(tmp_path / f"{count}.npz", features=torch.randn(count, REGION).numpy(), boxes=corners.numpy())
    source = PublishedRegions(paths, files)
    refiner = Refiner(REGION, layers=1, heads=2, size=8, feedforward_size=16).eval()
    local = LocalPredictiveAttention(AdditiveScore(6, REGION, 6), 6, REGION, 2.0, 6).eval()
    alone, beside = source([0]), source([0, 1])
    torch.testing.assert_close(refiner(beside).features[:1, :3], refiner(alone).features)
    queries = [Query(torch.ones(count, 1, 6), torch.zeros(count, 1, dtype=torch.long)) for count in (1, 2)]
    weights = [local(*pair).weights for pair in zip(queries, map(local.remember, (alone, beside)), strict=True)]
    torch.testing.assert_close(weights[1][:1, :, :3], weights[0])


def test_the_card_of_a_model_of_region_files_says_what_it_reads(settings, published, tmp_path):
    others = [one for one in settings if not one.startswith("encoder.")]
    files = ["encoder.kind=region_files", f"encoder.folder={published}", f"encoder.boxes={published / 'boxes'}"]
    folder = runs.train(DRAWN, [*others, *files, "encoder.region_size=12", "run.epochs=1"])
    text = card(folder).read_text(encoding="utf-8")
    assert "captioner eval FOLDER" in text
    assert "photo.jpg" not in text
    assert "pixels" not in text
