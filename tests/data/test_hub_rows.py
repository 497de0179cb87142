"""Rows of local data sets: only files of the data set are read, and a damaged one is named."""

from __future__ import annotations

import shutil

import pytest

from captioner.data import hf
from captioner.errors import UserError
from tests.data.test_hub_datasets import png, quiet, read, rows

datasets = pytest.importorskip("datasets", exc_type=ImportError)
__all__ = ["quiet"]


def write_paths(path, photo: str):
    datasets.Dataset.from_dict({"image": [{"path": photo}], "caption": ["a dog"]}).to_parquet(path)


def test_a_row_reads_files_of_the_data_set_alone(tmp_path, quiet):
    folder = tmp_path / "mine"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "a.png").write_bytes(png(1))
        shutil.make_archive(str(place / "photos"), "zip", place, "a.png")
    for photo in ("a.png", str(folder / "a.png"), f"zip://a.png::{folder / 'photos.zip'}"):
        write_paths(folder / "all.parquet", photo)
        assert read(folder / "all.parquet", tmp_path / "photos") == {"train": [["a dog"]]}
    for photo in (
        "../a.png",
        str(tmp_path / "a.png"),
        f"zip://a.png::{tmp_path / 'photos.zip'}",
        "zip://a.png::https://x/a.zip",
    ):
        write_paths(folder / "all.parquet", photo)
        with pytest.raises(UserError, match="photos are not fetched from elsewhere"):
            read(folder / "all.parquet", tmp_path / "photos")


@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "without rows"])
def test_of_several_files_the_bad_one_is_named(tmp_path, quiet, capfd, damaged):
    from pyarrow import parquet

    rows(2, caption=["one", "two"]).to_parquet(tmp_path / "mine" / "train-0.parquet")
    bad = tmp_path / "mine" / "train-1.parquet"
    if damaged:
        bad.write_bytes(b"PAR1 cut off")
    else:
        parquet.write_table(parquet.read_table(tmp_path / "mine" / "train-0.parquet").slice(0, 0), bad)
    with pytest.raises(UserError, match=r"train-1\.parquet should .*; fetch it again"):
        hf(str(tmp_path / "mine"), root=str(tmp_path / "photos"))
    assert "Failed" not in capfd.readouterr().err
