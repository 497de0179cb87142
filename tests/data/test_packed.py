"""Photos inside Parquet files and tars are unpacked once, and read as files from then on."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from PIL import Image

from captioner import builder, errors
from captioner.data.table import table
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from tests.helpers import CONFIGS

NAMES = ["a.png", "b.png", "../../c.png"]


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (80 * number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write_parquet(path, column="image", caption="caption", texts=None, **more):
    pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
    from pyarrow import parquet

    photos = [{"bytes": png(number), "path": name} for number, name in enumerate(NAMES)]
    texts = texts or [[f"a dog {number}", "a cat"] for number in range(3)]
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pyarrow.table({"number": [1, 2, 3], column: photos, caption: texts, **more}), path)


def write_tar(path, *captions: tuple[str, bytes]):
    with tarfile.open(path, "w") as file:
        for number in range(3):
            for ending, content in (("png", png(number)), *captions):
                entry = tarfile.TarInfo(f"part/{number:04}.{ending}")
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))


def test_parquet_files_of_each_split(tmp_path, capsys):
    for split in ("train", "validation"):
        write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    settings = builder.read(
        CONFIGS / "own_photos.yaml", [f"data.root={tmp_path}", "data.captions=data/{split}-*.parquet"]
    )
    splits, _ = builder.make_splits(settings)
    assert [example.references for example in splits["val"]] == [[f"a dog {number}", "a cat"] for number in range(3)]
    photos = [example.image for example in splits["val"]]
    assert all(photo.parent == tmp_path / "unpacked" / "validation" for photo in photos)
    assert [open_photo(photo).getpixel((0, 0)) for photo in photos] == [(80 * number, 0, 0) for number in range(3)]
    said = capsys.readouterr().err
    assert said.count("unpacking the photos of") == 2
    photos[0].unlink()
    assert builder.make_all_splits(settings) == splits
    assert "unpacking" not in capsys.readouterr().err
    assert not photos[0].exists()  # it was not unpacked again
    write_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", texts=["one", "two", "three"])
    assert [example.references for example in builder.make_all_splits(settings)["val"]] == [["one"], ["two"], ["three"]]
    assert photos[0].exists()


def test_one_parquet_file_with_splits_and_names_of_its_own(tmp_path):
    write_parquet(
        tmp_path / "all.parquet", "picture", "title", ["one", "two", "three"], split=["train", "train", "val"]
    )
    splits = table(str(tmp_path), "*.parquet", "photos", {"image": "picture", "caption": "title"})
    assert [example.references for example in splits["train"]] == [["one"], ["two"]]
    assert splits["val"][0].image.parent == tmp_path / "photos" / "all"


def test_tars_with_texts_and_with_json(tmp_path):
    pytest.importorskip("webdataset", exc_type=ImportError)
    write_tar(tmp_path / "train-000.tar", ("txt", b"a dog\na cat\n"))
    write_tar(tmp_path / "val-000.tar", ("json", json.dumps({"caption": "a bird"}).encode()))
    splits = table(str(tmp_path), "{split}-*.tar")
    assert [example.references for example in splits["train"]] == [["a dog", "a cat"]] * 3
    assert [example.references for example in splits["val"]] == [["a bird"]] * 3
    assert open_photo(splits["val"][2].image).getpixel((0, 0)) == (160, 0, 0)


def test_what_is_damaged_or_holds_no_photos_is_named(tmp_path, monkeypatch):
    pyarrow, _ = (
        pytest.importorskip("pyarrow", exc_type=ImportError),
        pytest.importorskip("webdataset", exc_type=ImportError),
    )
    from pyarrow import parquet

    (tmp_path / "cut.parquet").write_bytes(b"PAR1 cut off")
    (tmp_path / "cut.tar").write_bytes(b"no tar" * 1000)
    parquet.write_table(pyarrow.table({"image": ["https://x/a.jpg"], "caption": ["a"]}), tmp_path / "links.parquet")
    parquet.write_table(pyarrow.table({"picture": [b""], "title": ["a"]}), tmp_path / "names.parquet")
    write_tar(tmp_path / "bare.tar")
    write_tar(tmp_path / "damaged.tar", ("json", b'{"caption": '))
    write_tar(tmp_path / "list.tar", ("json", b'["a bird"]'))
    for name, complaint in {
        "cut.parquet": "a Parquet file",
        "cut.tar": "tar",
        "links.parquet": "photos are not fetched",
        "names.parquet": r"data\.columns",
        "bare.tar": r"should have a \.txt or \.json",
        "damaged.tar": r"damaged\.tar, .*json",
        "list.tar": r"list\.tar, .*json",
        "none.tar": "no file none.tar",
    }.items():
        with pytest.raises(UserError, match=complaint) as caught:
            table(str(tmp_path), name)
        assert "\n" not in str(caught.value)

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(errors.importlib, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install -e '\.\[parquet\]'"):
        table(str(tmp_path), "links.parquet")


def test_a_folder_with_photos_of_the_users_own_is_not_unpacked_into(tmp_path):
    write_tar(tmp_path / "all.tar", ("txt", b"a dog"))
    (tmp_path / "own" / "all").mkdir(parents=True)
    (tmp_path / "own" / "all" / "part_0000.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="holds other files, which unpacking could replace"):
        table(str(tmp_path), captions="all.tar", images="own")
    assert (tmp_path / "own" / "all" / "part_0000.png").read_bytes() == b"mine"


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 8], ids=["empty", "no tar"])
def test_what_is_no_tar_is_said_in_words(tmp_path, content):
    (tmp_path / "all.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"but is not \([a-z ]+\); fetch it again"):
        table(str(tmp_path), captions="all.tar")


@pytest.mark.parametrize("content", ["[]", "{}", '{"about": {}, "rows": [1]}', '{"about": 1, "rows": []}'])
def test_a_damaged_list_of_unpacked_photos_is_named(tmp_path, content):
    write_tar(tmp_path / "all.tar", ("txt", b"a dog"))
    table(str(tmp_path), captions="all.tar")
    (tmp_path / "unpacked" / "all" / "rows.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.json should be as this program writes it, but is not .*delete"):
        table(str(tmp_path), captions="all.tar")


def test_samples_of_a_tar_without_a_photo_are_counted_and_endings_may_be_capitals(tmp_path, capsys):
    pytest.importorskip("webdataset")
    with tarfile.open(tmp_path / "TRAIN.TAR", "w") as file:
        for name, content in (("a.PNG", png(1)), ("a.txt", b"a dog"), ("b.mov", b"x"), ("b.txt", b"a cat")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    splits = table(str(tmp_path), captions="TRAIN.TAR", val_share=0.0, test_share=0.0)
    assert [example.references for example in splits["train"]] == [["a dog"]]
    assert "no photo is with them: 1 samples; first b" in capsys.readouterr().err
