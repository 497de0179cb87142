"""Photos inside Parquet files and tars are unpacked once, and read as files from then on."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from pathlib import Path

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


def write_parquet(path, column="image", caption="caption", texts=None, names=NAMES, **more):
    pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
    from pyarrow import parquet

    photos = [{"bytes": png(number), "path": name} for number, name in enumerate(names)]
    texts = texts or [[f"a dog {number}", "a cat"] for number in range(len(names))]
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pyarrow.table({"number": [*range(len(names))], column: photos, caption: texts, **more}), path)


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
    write_tar(tmp_path / "twice.tar", ("txt", b"a bird"), ("png", b""))
    write_parquet(tmp_path / "null.parquet", texts=["a bird", None, "a dog"])
    write_parquet(tmp_path / "numbers.parquet", texts=[1, 2, 3])
    write_parquet(tmp_path / "split.parquet", split=["train", "val", "foo"])
    for name, complaint in {
        "cut.parquet": "a Parquet file",
        "cut.tar": "tar",
        "links.parquet": "photos are not fetched",
        "names.parquet": r"data\.columns",
        "bare.tar": r"should have a \.txt or \.json",
        "damaged.tar": r"damaged\.tar, .*json",
        "list.tar": r"list\.tar, .*json",
        "none.tar": "no file none.tar",
        "twice.tar": "should hold one file of each ending for a photo, got a second part/0000.png; leave one out",
        "null.parquet": r"null\.parquet, row 2: should have an image and a caption",
        "numbers.parquet": r"numbers\.parquet, row 1: should have an image and a caption",
        "split.parquet": r"split\.parquet, row 3: split should be train, val or test, got 'foo'",
    }.items():
        with pytest.raises(UserError, match=complaint) as caught:
            table(str(tmp_path), name)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "unpacked").exists()

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


def test_photos_whose_names_collide_stay_apart(tmp_path):
    names = [
        "a.png",
        "00000002_a.png",
        "a.png",
        "rows.json",
        "\u72ac" * 120 + ".png",
    ]  # 364 bytes; file systems allow 255
    write_parquet(tmp_path / "all.parquet", names=names)
    photos = [example.image for example in table(str(tmp_path), "*.parquet", val_share=0.0, test_share=0.0)["train"]]
    assert [photo.read_bytes() for photo in photos] == [png(number) for number in range(len(names))]


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("earlier", [True, False])
def test_unpacking_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch, earlier):
    pytest.importorskip("webdataset", exc_type=ImportError)
    if earlier:
        write_tar(tmp_path / "all.tar", ("txt", b"a dog"))
        table(str(tmp_path), "all.tar")
    before = files(tmp_path / "unpacked")
    write_tar(tmp_path / "all.tar", ("txt", b"a longer caption of a dog"))
    whole = (tmp_path / "all.tar").read_bytes()
    (tmp_path / "all.tar").write_bytes(whole[:2700])
    with pytest.raises(UserError, match=r"all\.tar should be a tar"):
        table(str(tmp_path), "all.tar")
    (tmp_path / "all.tar").write_bytes(whole)

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space") as caught:
            table(str(tmp_path), "all.tar")
    assert errors.system_error(caught.value) == f"{tmp_path / 'unpacked' / 'all'}: the disk is full; free some space"
    assert files(tmp_path / "unpacked") == before
    assert (tmp_path / "unpacked").exists() == earlier
    assert table(str(tmp_path), "all.tar")["train"][0].references == ["a longer caption of a dog"]


def test_photos_that_are_no_longer_used_are_deleted_and_files_of_others_stay(tmp_path):
    write_parquet(tmp_path / "all.parquet")
    table(str(tmp_path), "*.parquet")
    folder = tmp_path / "unpacked" / "all"
    assert set(files(folder)) == {".lock", "rows.json", "a.png", "b.png", "c.png"}
    (folder / "d.png").write_bytes(b"mine")
    (folder / ".unpacking").mkdir()
    (folder / ".unpacking" / "left.png").write_bytes(b"of a killed program")
    write_parquet(tmp_path / "all.parquet", names=["b.png", "d.png", "e.png"])
    table(str(tmp_path), "*.parquet")
    assert set(files(folder)) == {".lock", "rows.json", "b.png", "00000001_d.png", "e.png", "d.png"}
    assert (folder / "d.png").read_bytes() == b"mine"
    assert (folder / "b.png").read_bytes() == png(0)


def test_photos_are_replaced_after_a_program_was_killed_while_it_moved_them(tmp_path, monkeypatch):
    write_parquet(tmp_path / "all.parquet")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda path, other: os.rename(path, other) if path.name == "a.png" else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            table(str(tmp_path), "*.parquet")
    write_parquet(tmp_path / "all.parquet", names=["b.png", "d.png", "e.png"])
    table(str(tmp_path), "*.parquet")
    assert set(files(tmp_path / "unpacked" / "all")) == {".lock", "rows.json", "b.png", "d.png", "e.png"}


def test_a_mask_beside_a_photo_in_a_tar_is_not_taken_for_it(tmp_path):
    pytest.importorskip("webdataset", exc_type=ImportError)
    for split in ("train", "val"):
        write_tar(
            tmp_path / f"{split}-000.tar",
            ("mask.png", png(3)),
            ("seg.jpg", png(3)),
            ("txt", b"a dog"),
            ("seg.txt", b"1 2"),
        )
    examples = table(str(tmp_path), "{split}-*.tar")["train"]
    assert [open_photo(example.image).getpixel((0, 0)) for example in examples] == [(80 * n, 0, 0) for n in range(3)]
    assert [example.references for example in examples] == [["a dog"]] * 3
