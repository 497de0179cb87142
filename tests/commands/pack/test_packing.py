"""A packed model: small, self-contained, and the same captions; `natural` is one."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from PIL import Image

import captioner
from captioner import cli
from captioner.builder import loading
from captioner.commands.pack import pack, packing
from captioner.commands.pack.packing import FILES
from captioner.commands.train import training_run as runs
from captioner.encoders import timm_weights
from captioner.errors import UserError
from captioner.features.training_photos import TrainingPhotos, distance
from captioner.training.checkpoints import BEST, load_checkpoint
from tests.cli.test_cli import run
from tests.helpers import DRAWN, tiny_settings

SMALL = 500


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "trained"
    runs.train(DRAWN, [*tiny_settings(pictures, folder), "run.epochs=2", "search.max_length=8"])
    return folder


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_SMALL", SMALL)  # the trained model is small
        pack(trained, folder, trained_on="drawn pictures")
    return folder


@pytest.fixture
def photo(pictures):
    return min((pictures / "images").glob("val_*.png"))


@pytest.fixture
def box(packed, tmp_path, monkeypatch):
    """An installation whose bundled model is the packed one; the working folder is empty."""
    shutil.copytree(packed, tmp_path / "pretrained" / "natural")
    monkeypatch.setattr(loading, "PRETRAINED", tmp_path / "pretrained")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "pretrained" / "natural"


def test_captions_of_the_packed_model_equal_those_of_the_run(trained, packed, pictures):
    photos = sorted((pictures / "images").glob("*.png"))
    ours, theirs = (captioner.load(folder, device="cpu") for folder in (packed, trained))
    assert [one.text for one in ours.captions(photos)] == [one.text for one in theirs.captions(photos)]


def test_large_matrices_are_stored_in_half_precision_and_computed_in_float32(packed):
    tensors, _ = load_checkpoint(packed / BEST)
    for tensor in filter(torch.is_floating_point, tensors.values()):
        assert tensor.dtype == (torch.float16 if tensor.dim() > 1 and tensor.numel() > SMALL else torch.float32)
    assert {parameter.dtype for parameter in captioner.load(packed).model.parameters()} == {torch.float32}


def test_a_packed_folder_has_the_listed_files_and_no_path_of_the_machine(packed, trained, pictures):
    names = {path.name for path in packed.iterdir()}
    assert {BEST, "settings.yaml", "README.md", "training_photos.npz"} <= names <= FILES.keys()
    text = "".join(
        path.read_text(encoding="utf-8") for path in packed.iterdir() if path.suffix in (".yaml", ".json", ".md")
    )
    assert str(pictures.parent) not in text
    assert str(trained.parent) not in text
    assert yaml.safe_load((packed / "settings.yaml").read_text(encoding="utf-8"))["data"]["root"] == "data/drawn"


def test_a_file_of_pretrained_weights_is_neither_named_nor_needed(pictures, tmp_path):
    torch.manual_seed(0)
    timm_settings = ["encoder.kind=timm", "encoder.network=test_efficientnet", "encoder.input_size=64"]
    weights = tmp_path / "weights.pth"
    torch.save(timm_weights.make("test_efficientnet", "none", (64, 64)).state_dict(), weights)
    settings = [one for one in tiny_settings(pictures, tmp_path / "run") if not one.startswith("encoder.")]
    runs.train(DRAWN, [*settings, *timm_settings, f"encoder.weights={weights}", "run.epochs=1"])
    pack(tmp_path / "run", tmp_path / "packed")
    weights.unlink()
    shutil.rmtree(tmp_path / "run")
    assert captioner.load(tmp_path / "packed").caption(Image.new("RGB", (80, 60))).words is not None
    assert "weights: DEFAULT" in (tmp_path / "packed" / "settings.yaml").read_text(encoding="utf-8")
    encoder, _ = load_checkpoint(tmp_path / "packed" / "encoder.safetensors")
    assert encoder
    assert not [name for name in encoder if "classifier" in name]


def test_packing_again_keeps_what_the_author_wrote(trained, packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "again")
    card = folder / "README.md"
    card.write_text(
        "# Mine\n" + card.read_text(encoding="utf-8").replace("Not written yet", "Written") + "The end\n",
        encoding="utf-8",
    )
    pack(trained, folder, trained_on="other pictures", photos=False)
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert text.endswith("The end\n")
    assert text.count("| trained on | other pictures |") == 1
    assert "drawn pictures" not in text
    assert "Photos unlike" not in text
    assert not (folder / "training_photos.npz").exists()
    assert captioner.load(folder).caption(Image.new("RGB", (9, 9))).unlike_training is None


def test_packing_again_leaves_the_results_of_the_packed_model(trained, packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "again")
    for name in ("val/scores.json", "inspect-boxes/inspect.json", "export/captioner.json"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("{}", encoding="utf-8")
    pack(trained, folder, photos=False)
    assert (folder / "val" / "scores.json").is_file()


@pytest.mark.parametrize("run", ["nothing", "readme"])
def test_what_is_no_run_is_called_so(tmp_path, run):
    (tmp_path / "readme").mkdir()
    (tmp_path / "readme" / "README.md").write_text("# Another project", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{run} is not a run: .*; give the folder that training wrote"):
        pack(tmp_path / run, tmp_path / "packed")


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(trained, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for folder, why in (
        (tmp_path, "holds other files, such as notes.txt"),
        (trained, "is a run"),
        (tmp_path / "notes.txt", "is a file"),
    ):
        with pytest.raises(UserError, match=why):
            pack(trained, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_the_training_data_packing_says_what_to_do(trained, tmp_path):
    with pytest.raises(UserError, match=r"no-photos"):
        pack(trained, tmp_path / "packed", ["data.kind=coco", f"data.root={tmp_path / 'nothing'}"])
    assert not (tmp_path / "packed").exists()


def test_a_photo_unlike_the_training_photos_is_called_so_everywhere(capsys, packed, photo, tmp_path):
    odd = tmp_path / "odd.png"
    Image.effect_noise((80, 80), 200).convert("RGB").save(odd)
    details, page, sheet = (tmp_path / f"out.{ending}" for ending in ("json", "html", "png"))
    files = ["--json", details, "--page", page, "--sheet", sheet]
    status, out, err = run(capsys, cli.caption, photo, odd, "--model", packed, *files)
    assert status == 0
    assert "odd.png: " in out
    assert f"{odd} is unlike the photos that the model was trained on (distance " in err
    assert str(photo) not in err
    usual, unusual = (entry["unlike_training"] for entry in json.loads(details.read_text(encoding="utf-8")))
    assert usual <= 1 < unusual
    assert page.read_text(encoding="utf-8").count("The photo is unlike the photos") == 1
    with Image.open(sheet) as drawn:
        assert f"{unusual:.3f}" in drawn.text["unlike training"]  # pyright: ignore


def test_the_distance_is_the_share_outside_the_directions_of_the_training_photos():
    torch.manual_seed(0)
    train = torch.randn(200, 2) @ torch.randn(2, 16)
    known = TrainingPhotos.of(train, train + 0.1 * torch.randn(200, 16))
    inside, outside = train[:1], torch.linalg.svd(known.directions).Vh[-1:]
    assert float(distance(inside, known.directions)) == pytest.approx(0, abs=1e-3)
    assert float(distance(outside, known.directions)) == pytest.approx(1, abs=1e-3)
    assert torch.allclose(distance(5 * inside, known.directions), distance(inside, known.directions), atol=1e-6)


def test_one_percent_of_the_validation_photos_is_beyond_the_limit(tmp_path):
    torch.manual_seed(0)
    train, val = torch.randn(300, 12) + 3, torch.randn(1000, 12) + 3
    known = TrainingPhotos.of(train, val)
    assert int((distance(val, known.directions) > known.limit).sum()) == 10
    known.save(tmp_path / "photos.npz")
    again = TrainingPhotos.load(tmp_path / "photos.npz")
    assert torch.equal(again.directions, known.directions)
    assert (again.limit, again.num_train, again.num_val) == (known.limit, 300, 1000)


def test_damaged_statistics_are_an_error_of_one_line(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "damaged")
    (folder / "training_photos.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(UserError, match=r"training_photos\.npz should be .* restore an intact copy"):
        captioner.load(folder)


def test_without_a_model_the_bundled_one_is_used_and_said(capsys, box, packed, photo):
    status, out, err = run(capsys, cli.caption, photo)
    assert status == 0
    assert err == "model: natural (bundled), trained on drawn pictures\n"
    expected = captioner.load(packed, device="cpu").caption(photo).text
    assert expected in out
    assert captioner.load().caption(photo).text == expected
    capsys.readouterr()
    (box.parents[1] / "here" / "natural").mkdir()  # photos of nature, say, which are no model
    assert captioner.load("natural").caption(photo).text == expected
    assert capsys.readouterr().err == ""
    status, out, err = run(capsys, cli.describe)
    assert "small_cnn" in out
    assert "natural (bundled)" in err


def test_results_of_the_bundled_model_are_written_into_runs_and_not_among_those_of_a_run_of_its_name(
    capsys, box, pictures
):
    data = [f"data.{name}={value}" for name, value in {"root": pictures, "num_train": 48}.items()]
    status, out, err = run(capsys, cli.evaluate, *data, "--no-page", "--no-java")
    assert status == 0, err
    assert "written: runs/bundled-natural/val/" in out
    status, out, err = run(capsys, cli.inspect, "--instances", pictures / "instances_val.json", "--first", "4")
    assert status == 0, err
    assert "runs/bundled-natural/inspect-drawn-instances_val-first-4" in out
    assert {path.name for path in box.iterdir()} <= FILES.keys()


def test_a_model_can_start_from_the_bundled_one_and_its_card_says_so(box, pictures, tmp_path):
    runs.train(DRAWN, [*tiny_settings(pictures, tmp_path / "run"), "run.epochs=1", "run.from_run=natural"])
    pack(tmp_path / "run", tmp_path / "packed", photos=False)
    card = (tmp_path / "packed" / "README.md").read_text()
    assert "started from the best weights of another run, `natural`" in card
    assert "captioner train settings.yaml run.folder=runs/again run.from_run=FIRST data.root=PATH" in card


def test_a_model_given_as_a_photo_is_recognised(capsys, box, packed):
    for name in (packed, "natural"):
        status, _, err = run(capsys, cli.caption, name)
        assert status == 2
        assert f"{name} is a model and no photo; write --model {name}" in err


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("caption", ["photo.jpg"]), ("evaluate", []), ("describe", []), ("inspect", ["--instances", "x.json"])],
)
def test_without_a_bundled_model_one_line_says_so(capsys, tmp_path, monkeypatch, command, arguments):
    monkeypatch.setattr(loading, "PRETRAINED", tmp_path)
    status, _, err = run(capsys, getattr(cli, command), *arguments)
    assert status == 2
    assert err.count("\n") == 1
    assert "no bundled model (natural); train one, and give its folder" in err


def test_the_bundled_model_is_small():
    """Of this repository; nothing to measure where it has none."""
    size = sum(path.stat().st_size for path in (loading.PRETRAINED / "natural").glob("*"))
    assert size <= 25_000_000
