"""Folders of the library datasets and data sets of the hub: photos are unpacked once, and captions have several forms."""

from __future__ import annotations

import io
import json
import shutil
from urllib.error import URLError

import pytest
from PIL import Image

from captioner import builder, cli
from captioner.data import hf
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.readers import hub_access
from tests.cli.test_cli import run
from tests.helpers import CONFIGS

datasets = pytest.importorskip("datasets", exc_type=ImportError)
TEXTS = {
    "one text": ("caption", ["a red dog", "a red cat"], [["a red dog"], ["a red cat"]]),
    "lists": ("captions", [["a dog", "a cat"], ["a bird"]], [["a dog", "a cat"], ["a bird"]]),
    "COCO's": ("sentences", [[{"raw": "a dog", "sentid": 1}, {"raw": "a cat", "sentid": 2}], []], [["a dog", "a cat"], []]),
    "lists of objects": ("captions", [[{"caption": "a dog"}], [{"caption": "a cat"}]], [["a dog"], ["a cat"]]),
    "lists within an object": ("sentences", [{"raw": ["a dog"]}, {"raw": ["a cat"]}], [["a dog"], ["a cat"]]),
}  # fmt: skip


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (10 * number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def rows(number: int = 2, image: str = "image", **columns):
    photos = [{"bytes": png(index), "path": None} for index in range(number)]
    return datasets.Dataset.from_dict({image: photos, **columns}).cast_column(image, datasets.Image())


def read(folder, root, **options):
    splits = hf(str(folder), root=str(root), val_share=0.0, test_share=0.0, **options)
    return {split: [example.references for example in examples] for split, examples in splits.items() if examples}


@pytest.fixture
def quiet(monkeypatch):
    datasets.disable_progress_bars()
    monkeypatch.setattr(hub_access, "urlopen", None)  # no test here asks a hub


@pytest.mark.parametrize("form", TEXTS)
def test_captions_in_several_forms(tmp_path, quiet, form):
    column, texts, wanted = TEXTS[form]
    rows(**{column: texts}).save_to_disk(tmp_path / "saved")
    assert read(tmp_path / "saved", tmp_path / "photos") == {"train": wanted}


def test_folders_that_the_library_saves_and_files_of_parquet_and_arrow(tmp_path, quiet, capsys):
    made = {"train": rows(3, caption=["one", "two", "three"]), "validation": rows(1, caption=["four"])}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "saved")
    for split, part in made.items():
        part.to_parquet(tmp_path / "parquet" / "data" / f"{split}-00000-of-00001.parquet")
    shutil.copy(next((tmp_path / "saved" / "train").glob("*.arrow")), tmp_path / "train.arrow")
    for name in ("saved", "parquet"):
        assert read(tmp_path / name, tmp_path / "photos") == {"train": [["one"], ["two"], ["three"]], "val": [["four"]]}
        assert read(tmp_path / name, tmp_path / "photos", splits={"train": "validation"}) == {"train": [["four"]]}
    assert read(tmp_path / "train.arrow", tmp_path / "photos") == {"train": [["one"], ["two"], ["three"]]}
    capsys.readouterr()
    examples = hf(str(tmp_path / "parquet"), root=str(tmp_path / "other"))["train"]
    assert "unpacking the photos of" in capsys.readouterr().err
    assert [open_photo(example.image).getpixel((0, 0)) for example in examples] == [
        (0, 0, 0),
        (10, 0, 0),
        (20, 0, 0),
    ]
    assert hf(str(tmp_path / "parquet"), root=str(tmp_path / "other"))["train"] == examples
    assert "unpacking" not in capsys.readouterr().err


def test_photos_of_an_image_folder_stay_where_they_are(tmp_path, quiet, capsys):
    for split in ("train", "dev", "test"):
        folder = tmp_path / "mine" / split
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(png(1))
        (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": f"a dog of {split}"}))
    splits = hf(str(tmp_path / "mine"), root=str(tmp_path / "photos"))
    assert "unpacking" not in capsys.readouterr().err
    assert {split: [example.references for example in examples] for split, examples in splits.items()} == {
        "train": [["a dog of train"]],
        "val": [["a dog of dev"]],
        "test": [["a dog of test"]],
    }
    assert splits["val"][0].image == tmp_path / "mine" / "dev" / "a.png"
    assert [path.suffix for path in (tmp_path / "photos").rglob("*.*")] == ["", ".json"]


def test_flickr30k_as_it_is_at_the_hub_with_a_split_in_each_row(tmp_path, quiet):
    made = rows(4, caption=[["one"], ["two"], ["three"], ["four"]], split=["train", "val", "test", "restval"])
    datasets.DatasetDict({"test": made}).save_to_disk(tmp_path / "flickr30k")
    assert read(tmp_path / "flickr30k", tmp_path / "photos") == {
        "train": [["one"], ["four"]],
        "val": [["two"]],
        "test": [["three"]],
    }


def test_rows_with_the_same_photo_are_captions_of_one_photo_and_several_columns_too(tmp_path, quiet):
    photos = [{"bytes": png(number), "path": "coco.png"} for number in (1, 1, 2)]
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    datasets.Dataset.from_dict({"image": photos, "caption": ["one", "two", "three"]}, features).save_to_disk(
        tmp_path / "coco"
    )
    assert read(tmp_path / "coco", tmp_path / "photos") == {"train": [["one", "two"], ["three"]]}
    rows(2, "picture", caption_0=["one", "two"], caption_1=["three", ""], label=[0, 1]).save_to_disk(
        tmp_path / "flickr8k"
    )
    for captions in ("", "caption_*"):
        found = read(tmp_path / "flickr8k", tmp_path / "photos", image="picture", captions=captions)
        assert found == {"train": [["one", "three"], ["two"]]}


def test_photos_are_made_smaller_while_they_are_unpacked_and_again_if_the_edge_changes(tmp_path, quiet):
    rows(caption=["one", "two"]).save_to_disk(tmp_path / "saved")
    for edge, size in ((None, (40, 30)), (15, (20, 15)), (6, (8, 6)), (None, (40, 30))):
        examples = hf(str(tmp_path / "saved"), root=str(tmp_path / "photos"), shorter_edge=edge)
        photos = [open_photo(example.image).size for found in examples.values() for example in found]
        assert photos == [size] * 2


def test_shares_are_taken_for_the_splits_that_are_missing(tmp_path, quiet):
    rows(20, caption=[f"dog {number}" for number in range(20)]).save_to_disk(tmp_path / "alone")
    splits = hf(str(tmp_path / "alone"), root=str(tmp_path / "photos"))
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 16, "val": 2, "test": 2}
    both = {"train": rows(20, caption=["a dog"] * 20), "test": rows(3, caption=["a cat"] * 3)}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "both")
    splits = hf(str(tmp_path / "both"), root=str(tmp_path / "photos"))
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 18, "val": 2, "test": 3}


def test_what_is_missing_is_named_in_one_line(tmp_path, quiet, capfd):
    saved, links, empty = tmp_path / "saved", tmp_path / "links", tmp_path / "empty"
    datasets.DatasetDict({"part": rows(title=["a", "b"])}).save_to_disk(saved)
    datasets.Dataset.from_dict({"image": ["https://x/a.jpg"], "caption": ["a"]}).save_to_disk(links)
    rows(caption=[None, None]).save_to_disk(tmp_path / "bare")
    datasets.Dataset.from_dict({"title": ["a"]}).to_parquet(tmp_path / "titles.parquet")
    empty.mkdir()
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 cut off")
    own = {"splits": {"train": "part"}}
    for name, options, complaint in (
        (saved, {}, r"should have the splits train, val or test, got part; say which is which as in data\.splits="),
        (saved, {"splits": {"train": "parts"}}, "should have the split parts, got part"),
        (saved, {"splits": {"dev": "part"}}, r"data\.splits should name train, val, test, got 'dev'"),
        (saved, own, "should have a column of captions, got image, title; set data.captions to one of these"),
        (saved, {**own, "image": "photo"}, "should have a column photo, got image, title; set data.image"),
        (saved, {**own, "captions": "image"}, "captions should be text"),
        (links, {}, "photos are not fetched from elsewhere"),
        (empty, {}, "check data.name"),
        (tmp_path / "cut.parquet", {}, r"cut\.parquet should be a Parquet file .*; fetch it again"),
        (tmp_path / "titles.parquet", {}, "should have a column of photos, got title; set data.image"),
        (tmp_path / "bare", {}, "should hold photos with captions, got no captions; check data.captions"),
        (saved, {**own, "captions": "title", "subset": "en"}, r"data\.subset is .*, got en for .*; leave it out"),
        (
            saved,
            {**own, "captions": "title", "revision": "main"},
            r"data\.revision is .*, got main for .*; leave it out",
        ),
        (tmp_path / "titles.parquet", {"subset": "en"}, r"data\.subset is .*, got en for"),
        (tmp_path / "none", {}, "and there is no such folder"),
    ):
        with pytest.raises(UserError, match=complaint) as caught:
            read(name, tmp_path / "photos", **options)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "photos").exists()
    assert capfd.readouterr().err.count("\n") == 1  # a note of the data set without captions, whose photos were read
    with pytest.raises(UserError, match=r"data\.root should not be inside"):
        hf(str(saved), root=str(saved))


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    def unreachable(request, timeout):
        raise URLError("no such host")

    monkeypatch.setattr(hub_access, "urlopen", unreachable)
    with pytest.raises(UserError, match=r"cannot be reached for owner/photos .*set data\.name to its path"):
        hf("owner/photos", root=str(tmp_path / "photos"))
    assert list(tmp_path.iterdir()) == []


def test_it_trains_from_the_command_line(tmp_path, quiet, capsys):
    made = {"train": rows(6, caption=["a red dog"] * 6), "validation": rows(2, caption=["a red cat"] * 2)}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "saved")
    own = ["data.kind=hf", f"data.name={tmp_path / 'saved'}", f"data.root={tmp_path / 'photos'}", "data.min_count=1"]
    settings = builder.read(CONFIGS / "drawn.yaml", own)
    assert (settings.data.kind, settings.data.options["image"]) == ("hf", "")
    small = [
        "run.epochs=1",
        "encoder.width=8",
        "decoder.hidden_size=8",
        "run.device=cpu",
        f"run.folder={tmp_path / 'run'}",
    ]
    status, _, errors = run(capsys, cli.train, CONFIGS / "drawn.yaml", *own, *small)
    assert status == 0, errors
    status, output, errors = run(capsys, cli.doctor, CONFIGS / "drawn.yaml", *own)
    assert "photos 6" in output.replace("  ", " ") or "6" in output
    status, output, errors = run(capsys, cli.evaluate, tmp_path / "run", "--no-page")
    assert status == 0, errors
    assert (tmp_path / "run" / "val" / "scores.json").is_file()


def test_splits_that_are_left_out_are_named(tmp_path, quiet, capsys):
    parts = {"train": 6, "restval": 9, "validation": 3, "val": 2, "test": 4}
    dataset = datasets.DatasetDict({name: rows(count, caption=["a dog"] * count) for name, count in parts.items()})
    dataset.save_to_disk(tmp_path / "saved")
    found = read(tmp_path / "saved", tmp_path / "photos")
    assert {split: len(references) for split, references in found.items()} == {"train": 6, "val": 3, "test": 4}
    assert f"left out of {tmp_path / 'saved'}: restval, val;" in " ".join(capsys.readouterr().err.split())
