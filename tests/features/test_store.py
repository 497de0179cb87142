"""Stored regions equal the encoder's, survive a kill, and report missing photos."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from captioner.encoders import preprocess
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import Unreachable, UserError
from captioner.features import store as store_module
from captioner.features.sources import VIEWS, PhotoFiles, seen_as
from captioner.features.store import FeatureStore
from captioner.features.store_index import mark_of
from captioner.features.stored_regions import store_regions
from captioner.progress import Report


def make_encoder(seed: int = 0) -> SmallCNN:
    torch.manual_seed(seed)
    encoder = SmallCNN(size=16, width=2, region_size=4)
    encoder.frozen = True
    return encoder.eval()


def make_photos(folder, count: int = 7) -> PhotoFiles:
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    for index in range(count):
        pixels = torch.randint(0, 256, (20, 30, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{index}.png")
    return PhotoFiles([folder / f"{index}.png" for index in range(count)], make_encoder().preprocess)


def store_of(encoder, root) -> FeatureStore:
    return FeatureStore.of(encoder, root / "features", "small")


class Recorder(Report):
    """Keeps the names, rows and bytes of what it hears."""

    def __init__(self):
        self.events, self.num_rows, self.num_bytes = [], [], []

    def stored_regions(self, split, folder, num_rows, num_bytes):
        self.events.append("stored_regions")
        self.num_rows.append(num_rows)
        self.num_bytes.append(num_bytes)

    def regions(self, split, count, total):
        self.events.append("regions")


@pytest.fixture
def report():
    return Recorder()


@pytest.mark.parametrize("num_views", VIEWS.values())
@pytest.mark.parametrize("shard_bytes", [2**30, 100])
def test_stored_regions_are_the_encoders_own(tmp_path, monkeypatch, num_views, shard_bytes):
    monkeypatch.setattr(store_module, "_SHARD_BYTES", shard_bytes)
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path), num_views, batch_size=3)
    assert not unreadable
    for view in range(num_views):
        order = [4, 0, 6, 4]
        pixels = torch.stack([seen_as(files.read(index)[0], view) for index in order])
        wanted = encoder(pixels).features.detach()
        torch.testing.assert_close(source(order, [view] * 4).features.float(), wanted, atol=2e-3, rtol=2e-3)


def test_the_eight_views_are_the_symmetries_of_a_square():
    pixels = torch.arange(16).reshape(1, 4, 4)
    views = {tuple(seen_as(pixels, view).flatten().tolist()) for view in range(VIEWS["turns"])}
    assert len(views) == 8
    assert {tuple(seen_as(pixels, view).flatten().tolist()) for view in range(VIEWS["flips"])} == {
        tuple(pixels.flatten().tolist()),
        tuple(pixels.flip(-1).flatten().tolist()),
    }


def test_a_quarter_turn_of_an_oblong_view_is_refused():
    with pytest.raises(ValueError, match="square"):
        seen_as(torch.zeros(3, 4, 5), 2)


def test_what_is_stored_is_not_computed_again(tmp_path, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path), report=report)
    assert report.events == ["stored_regions", "regions"]
    report.events.clear()
    store_regions(encoder, files, store_of(encoder, tmp_path), report=report)
    assert not report.events


def test_photos_that_were_moved_or_touched_keep_their_rows(tmp_path, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    before, _ = store_regions(encoder, files, store_of(encoder, tmp_path), num_views=2)
    moved = PhotoFiles([tmp_path / "moved" / path.name for path in files.paths], files.preprocess)
    files.paths[0].parent.rename(tmp_path / "moved")
    os.utime(moved.paths[1], (1, 1))
    for _ in range(2):  # recognised, and read again
        after, _ = store_regions(encoder, moved, store_of(encoder, tmp_path), num_views=2, report=report)
        assert after.rows == before.rows
    assert not report.events


def test_a_photo_of_the_same_size_and_name_is_another_photo(tmp_path, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    data = bytearray(files.paths[2].read_bytes())
    files.paths[2].write_bytes(data + b"1")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    files.paths[2].write_bytes(data + b"2")
    store_regions(encoder, files, store_of(encoder, tmp_path), report=report)
    assert report.num_rows[0] == 1


def test_a_photo_replaced_while_it_was_computed_is_computed_again(tmp_path, monkeypatch):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    real = FeatureStore.add

    def replace_first(self, marks, features, unreadable):
        monkeypatch.setattr(FeatureStore, "add", real)
        Image.new("RGB", (9, 9), "red").save(files.paths[2])
        files.paths[3].unlink()
        real(self, marks, features, unreadable)

    monkeypatch.setattr(FeatureStore, "add", replace_first)
    store_regions(encoder, files, store_of(encoder, tmp_path))
    source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
    assert list(unreadable) == [3]
    pixels = files.read(2)[0][None]
    torch.testing.assert_close(source([2]).features.float(), encoder(pixels).features.detach(), atol=2e-3, rtol=2e-3)


def test_only_what_is_new_is_computed(tmp_path, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    Image.new("RGB", (9, 9), "red").save(files.paths[2])
    source, _ = store_regions(encoder, files, store_of(encoder, tmp_path), num_views=2, report=report)
    assert report.num_rows[0] == 1 + len(files)  # the changed photo itself, and the mirror image of every photo
    pixels = files.read(2)[0][None]
    torch.testing.assert_close(source([2]).features.float(), encoder(pixels).features.detach(), atol=2e-3, rtol=2e-3)


def test_other_weights_or_preprocessing_have_another_store(tmp_path):
    one, other = make_encoder(0), make_encoder(1)
    assert store_of(one, tmp_path).folder == store_of(make_encoder(0), tmp_path).folder
    assert store_of(one, tmp_path).folder != store_of(other, tmp_path).folder
    torch.manual_seed(0)
    narrow = make_encoder(0)
    narrow.preprocess = SmallCNN(size=24, width=2, region_size=4).preprocess
    assert store_of(one, tmp_path).folder != store_of(narrow, tmp_path).folder


def test_a_photo_that_cannot_be_read_is_named_and_left_out(tmp_path):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    files.paths[1].write_bytes(b"")
    files.paths[3].unlink()
    for _ in range(2):  # computed, and read again
        source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
        assert list(unreadable) == [1, 3]
        assert "1.png is not a picture" in unreadable[1]
        assert "no photo at" in unreadable[3]
        assert source.files.paths == [files.paths[index] for index in (0, 2, 4, 5, 6)]
        assert len(source) == 5


def test_a_photo_that_another_pillow_could_not_read_is_tried_again(tmp_path, monkeypatch):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    content = files.paths[1].read_bytes()
    files.paths[1].write_bytes(bytes(len(content)))
    changed = files.paths[1].stat().st_mtime_ns
    store_regions(encoder, files, store_of(encoder, tmp_path))
    files.paths[1].write_bytes(content)
    os.utime(files.paths[1], ns=(changed, changed))  # the same file, of a format that was not known before
    assert list(store_regions(encoder, files, store_of(encoder, tmp_path))[1]) == [1]
    monkeypatch.setattr("PIL.__version__", "99.0")
    source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
    assert not unreadable
    assert len(source) == len(files)


def test_a_photo_that_could_not_be_opened_once_is_tried_again(tmp_path, monkeypatch):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    real = PhotoFiles.read

    def busy(self, index):
        if index == 2:
            raise Unreachable("too many open files")
        return real(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(PhotoFiles, "read", busy)
        source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
        assert unreadable == {2: "too many open files"}
        assert len(source) == len(files) - 1
    source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
    assert not unreadable
    assert len(source) == len(files)


def test_a_photo_above_a_limit_is_tried_again_and_keeps_the_rows_that_it_has(tmp_path, monkeypatch):
    """A limit, or a package that is not installed, is no fault of the photo."""
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    monkeypatch.setenv(preprocess.MOST_PIXELS, "10")
    _, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path), num_views=2)
    assert len(unreadable) == len(files)
    assert "allow more with --most-pixels" in unreadable[0]
    source, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path))
    assert not unreadable
    assert len(source) == len(files)
    monkeypatch.delenv(preprocess.MOST_PIXELS)
    _, unreadable = store_regions(encoder, files, store_of(encoder, tmp_path), num_views=2)
    assert not unreadable


def test_the_size_is_said_before_and_is_the_size_after(tmp_path, report):
    torch.manual_seed(0)
    encoder = SmallCNN(size=80, width=4, region_size=64)  # rows of 12.5 KiB; real ones are ten times larger
    encoder.frozen = True
    files = make_photos(tmp_path / "photos", count=30)
    files.preprocess = encoder.preprocess
    store = store_of(encoder.eval(), tmp_path)
    store_regions(encoder, files, store, report=report)
    said = report.num_bytes[0]
    written = sum(path.stat().st_size for path in store.folder.iterdir())
    assert said == pytest.approx(written, rel=0.01)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1000, 900, 100))
    with pytest.raises(UserError, match=r"need .* GiB .* free"):
        store_regions(encoder, files, store_of(encoder, tmp_path))
    assert [path.name for path in store_of(encoder, tmp_path).folder.iterdir()] == [".lock"]


def test_a_disk_that_fills_keeps_what_was_stored(tmp_path, monkeypatch, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    real, calls = os.fsync, []

    def full_after_a_batch(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_after_a_batch)
        with pytest.raises(UserError, match=r"No space left on device.*kept"):
            store_regions(encoder, files, store_of(encoder, tmp_path), batch_size=2)
    store_regions(encoder, files, store_of(encoder, tmp_path), report=report)
    assert 0 < report.num_rows[0] < len(files)
    check_whole(encoder, files, tmp_path)


def test_unfinished_rows_of_a_killed_program_are_overwritten(tmp_path):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store = store_of(encoder, tmp_path)
    store_regions(encoder, PhotoFiles(files.paths[:3], files.preprocess), store)
    with (store.folder / "regions-00000.bin").open("ab") as file:
        file.write(b"half a row")
    with (store.folder / "photos.jsonl").open("ab") as file:
        file.write(b'{"photo": "cut off in the mid')
    check_whole(encoder, files, tmp_path)


def test_a_shard_that_was_cut_short_is_an_error(tmp_path):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store = store_of(encoder, tmp_path)
    store_regions(encoder, files, store)
    shard = store.folder / "regions-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"should hold .* bytes, got .*; delete"):
        store_of(encoder, tmp_path)


def damage(store, how: str) -> None:
    shard, index = store.folder / "regions-00000.bin", store.folder / "photos.jsonl"
    if how == "zeroed":
        shard.write_bytes(bytes(shard.stat().st_size))
    elif how == "one bit":
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
    else:
        text = index.read_text(encoding="utf-8")
        index.write_text(
            text.replace('"row": 1,', '"row": 9,').replace('"row": 2,', '"row": 1,').replace('"row": 9,', '"row": 2,'),
            encoding="utf-8",
        )


@pytest.mark.parametrize("how", ["zeroed", "one bit", "rows exchanged"])
def test_rows_that_are_not_what_was_stored_are_an_error(tmp_path, how):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store = store_of(encoder, tmp_path)
    store_regions(encoder, files, store)
    damage(store, how)
    with pytest.raises(UserError, match=r"regions of .*\.png are damaged: row \d .*; delete .*computed again"):
        store_regions(encoder, files, store_of(encoder, tmp_path))


def test_rows_without_a_checksum_are_taken_from_stores_of_earlier_versions(tmp_path, report):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    index = store_of(encoder, tmp_path).folder / "photos.jsonl"
    index.write_text(re.sub(r'"crc32": \d+, ', "", index.read_text(encoding="utf-8")), encoding="utf-8")
    files.paths[0].rename(tmp_path / "photos" / "moved.png")
    moved = PhotoFiles([tmp_path / "photos" / "moved.png", *files.paths[1:]], files.preprocess)
    source, _ = store_regions(encoder, moved, store_of(encoder, tmp_path), report=report)
    assert len(source) == len(files)
    assert not report.events


INDEX_LINES = {
    "no row": '{"photo": "a", "bytes": 1, "changed": 1, "view": 0}',
    "a negative row": '{"photo": "a", "bytes": 1, "changed": 1, "view": 0, "row": -1}',
    "a row as text": '{"photo": "a", "bytes": 1, "changed": 1, "view": 0, "row": "1"}',
    "no object": "[1]",
    "no json": "photos",
}


@pytest.mark.parametrize("case", INDEX_LINES)
def test_a_damaged_line_of_the_index_is_an_error(tmp_path, case):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    store_regions(encoder, files, store_of(encoder, tmp_path))
    with (store_of(encoder, tmp_path).folder / "photos.jsonl").open("a", encoding="utf-8") as file:
        file.write(INDEX_LINES[case] + "\n")
    with pytest.raises(UserError, match=r"photos\.jsonl.*; delete .*computed again"):
        store_of(encoder, tmp_path)


def test_values_that_half_precision_cannot_hold_are_an_error(tmp_path):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos")
    encoder.place.data += 1e6
    with pytest.raises(UserError, match="half precision"):
        store_regions(encoder, files, store_of(encoder, tmp_path))


def test_a_program_that_is_killed_goes_on_without_loss_or_doubling(tmp_path):
    encoder, files = make_encoder(), make_photos(tmp_path / "photos", count=200)
    program = (
        "import sys; from pathlib import Path; from tests.features.test_store import *;"
        "root = Path(sys.argv[1]); encoder = make_encoder();"
        "files = PhotoFiles([root / 'photos' / f'{i}.png' for i in range(200)], encoder.preprocess);"
        "store_regions(encoder, files, store_of(encoder, root), batch_size=1)"
    )
    index = store_of(encoder, tmp_path).folder / "photos.jsonl"
    for lines in (5, 60):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
        while not (index.exists() and index.read_bytes().count(b"\n") >= lines) and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 60 <= index.read_bytes().count(b"\n") < 200
    check_whole(encoder, files, tmp_path)


def check_whole(encoder, files, root) -> None:
    """Every photo has one row, its own."""
    source, _ = store_regions(encoder, files, store_of(encoder, root))
    store = store_of(encoder, root)
    assert sorted(store.index.rows.values()) == list(range(len(files)))
    everything = list(range(len(files)))
    pixels = torch.stack([files.read(index)[0] for index in everything])
    wanted = encoder(pixels).features.detach()
    torch.testing.assert_close(source(everything).features.float(), wanted, atol=2e-3, rtol=2e-3)


def test_a_batch_is_stored_without_a_look_at_every_stored_row(tmp_path):
    """Otherwise, time would grow with the square of the number of photos."""

    class NotSearched(dict):
        def __iter__(self):
            raise AssertionError("every row was looked at")

        values = items = keys = __iter__

    files, store = make_photos(tmp_path / "photos", count=4), store_of(make_encoder(), tmp_path)
    store.folder.mkdir(parents=True)
    store.index.rows = NotSearched()
    for path in files.paths:
        store.add([mark_of(path, 0)], torch.zeros(1, *store.shape), {})
    assert [store.index.rows[mark_of(path, 0)] for path in files.paths] == [0, 1, 2, 3]
