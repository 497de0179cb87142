"""Several data sets are joined: their splits, their photos' ids, their shares of an epoch, and what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner import builder, cli
from captioner.data import joined
from captioner.data.batches import CaptionedPhotos, epoch_photos
from captioner.data.contract import Part, present
from captioner.errors import UserError
from captioner.text.vocabulary import END, START
from captioner.training.plan import Plan, check_batch_size
from tests.helpers import DRAWN


def lay_out(root: Path, **splits: int) -> Path:
    """COCO captions files with photos 1, 2, ... in each split; the same names and ids for every root."""
    (root / "images").mkdir(parents=True)
    number = 0
    for split, count in splits.items():
        numbers = range(number + 1, number + count + 1)
        number += count
        for one in numbers:
            Image.new("RGB", (4, 4), (one, 0, 0)).save(root / "images" / f"{one}.png")
        content = {
            "images": [{"id": one, "file_name": f"{one}.png"} for one in numbers],
            "annotations": [{"id": one, "image_id": one, "caption": f"{root.name} photo"} for one in numbers],
        }
        (root / f"captions_{split}.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def parts(tmp_path) -> list[dict]:
    lay_out(tmp_path / "dogs", train=4, val=2)
    lay_out(tmp_path / "cats", train=3, val=1, test=2)
    lay_out(tmp_path / "cups", photos=2)
    return [
        {"kind": "coco", "root": "dogs"},
        {"kind": "coco", "root": "cats", "share": 2.0},
        {"kind": "coco", "root": "cups", "captions": "captions_photos.json", "splits": ["train"]},
    ]


def test_each_split_joins_that_split_of_the_parts_and_no_other(parts, tmp_path):
    splits = joined(parts, str(tmp_path))
    assert {split: [example.id for example in examples] for split, examples in splits.items()} == {
        "train": ["dogs/1", "dogs/2", "dogs/3", "dogs/4", "cats/1", "cats/2", "cats/3", "cups/1", "cups/2"],
        "val": ["dogs/5", "dogs/6", "cats/4"],
        "test": ["cats/5", "cats/6"],
    }
    assert splits["val"][2].image == tmp_path / "cats" / "images" / "4.png"
    assert splits["train"][0].references == ["dogs photo"]


def test_one_part_alone_has_its_own_ids(parts, tmp_path):
    splits = joined(parts, str(tmp_path), only="cats")
    assert [example.id for example in splits["val"]] == [4]
    with pytest.raises(UserError, match=r"data\.only should name a part .* got 'cat'; its parts are dogs, cats, cups"):
        joined(parts, str(tmp_path), only="cat")


def test_a_part_may_take_some_of_its_splits(parts, tmp_path):
    parts[0]["splits"] = ["val"]
    assert joined(parts, str(tmp_path))["train"][0].id == "cats/1"
    parts[0] = {"kind": "drawn", "splits": ["unseen"], "num_train": 1, "num_val": 1, "num_unseen": 1}
    splits = joined(parts, str(tmp_path))
    assert [len(splits[split]) for split in ("train", "val", "unseen")] == [5, 1, 1]
    assert splits["unseen"][0].image.is_relative_to(tmp_path / "data" / "drawn")


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.1, 0.25, 0.5, 1, 1.5, 3])), min_size=1, max_size=3))
@settings(max_examples=25)
def test_every_epoch_takes_each_parts_share_and_all_photos_of_a_part_equally_often(sizes):
    shares = {str(number): Part(str(number), share) for number, (_, share) in enumerate(sizes)}
    photos = [part for part, (count, _) in zip(shares.values(), sizes, strict=True) for _ in range(count)]
    seen: Counter[int] = Counter()
    for epoch in range(6):
        chosen = epoch_photos(photos, 7, epoch)
        assert chosen == epoch_photos(photos, 7, epoch)
        counts = Counter(photos[photo].name for photo in chosen)
        assert counts == {name: max(1, round(part.share * sizes[int(name)][0])) for name, part in shares.items()}
        seen.update(chosen)
        for name in shares:
            times = [seen[photo] for photo, part in enumerate(photos) if part.name == name]
            assert max(times) - min(times) <= 1


def test_shares_of_1_leave_the_order_of_an_epoch_as_it_is_without_parts():
    captions = [[[START, *[4] * (1 + number % 5), END]] for number in range(60)]
    alone, with_parts = (
        CaptionedPhotos(lambda indices, views: torch.zeros(1), captions, num_views=2, parts=parts)
        for parts in (None, [Part("a")] * 20 + [Part("b")] * 40)
    )
    assert alone.epoch_sizes == with_parts.epoch_sizes == range(60, 61)
    assert alone.order(8, 3, 1) == with_parts.order(8, 3, 1)


def test_repeated_photos_are_whole_batches_of_photos_with_views_of_their_own():
    captions = [[[START, 4, END]]] * 5
    photos = CaptionedPhotos(
        lambda indices, views: torch.tensor([indices, views]).T, captions, num_views=8, parts=[Part("a", 4.0)] * 5
    )
    assert photos.epoch_sizes == range(20, 21)
    items = [item for batch in photos.order(8, 0, 0) for item in batch]
    assert Counter(item % 5 for item in items) == dict.fromkeys(range(5), 4)
    assert len(set(items)) > 10
    assert photos[items[:8]].photos.shape == (8, 2)


def test_missing_photos_are_skipped_where_the_part_says_so(parts, tmp_path):
    (tmp_path / "dogs" / "images" / "1.png").unlink()
    with pytest.raises(UserError, match="the data of part dogs name 6 photos, got 1 of them without a file"):
        present(joined(parts, str(tmp_path)))
    parts[0]["missing"] = "skip"
    splits, missing = present(joined(parts, str(tmp_path)))
    assert [example.id for example in missing] == ["dogs/1"]
    assert len(splits["train"]) == 8
    (tmp_path / "cats" / "images" / "4.png").unlink()
    with pytest.raises(UserError, match="no photo of val of part cats has a file"):
        present(joined([*parts[:1], parts[1] | {"missing": "skip"}], str(tmp_path)))


def read(parts, root: Path, *overrides: str):
    own = ["data.kind=joined", f"data.root={root}", f"data.parts={json.dumps(parts)}", "data.min_count=1"]
    return builder.read(DRAWN, [*own, *overrides])


def test_parts_are_an_override_and_saved_settings_read_back_the_same(parts, tmp_path):
    made = read(parts, tmp_path, "data.parts[0].share=0.5")
    assert [(part["name"], part["share"]) for part in made.data.options["parts"]] == [
        ("dogs", 0.5),
        ("cats", 2.0),
        ("cups", 1.0),
    ]
    saved = tmp_path / "settings.yaml"
    saved.write_text(builder.save_settings(made))
    assert builder.read(saved).resolved == made.resolved
    splits, _ = builder.make_splits(made)
    vocabulary = builder.make_vocabulary(made, splits)
    assert set(vocabulary.words[4:]) == {"dogs", "cats", "cups", "photo"}


REFUSED = {
    "no part": ([], "data.parts should list data sets, got none"),
    "no list": ("dogs", r"data\.parts should be a list of data sets, got 'dogs'; write data\.parts: "),
    "a list of names": (["dogs"], "should be a list of data sets"),
    "no kind": ([{"root": "dogs"}], r"data\.parts\[0\]\.kind should be one of drawn, coco, .*, got nothing"),
    "joined": ([{"kind": "joined", "parts": []}], r"data\.parts\[0\]\.kind should be one of .*, got 'joined'"),
    "unknown kind": ([{"kind": "cocoa", "root": "dogs"}], r"got 'cocoa'; did you mean 'coco'\?"),
    "no root": ([{"kind": "coco"}], r"data\.parts\[0\]\.root is missing; give it in the config or as data\.parts\[0\]"),
    "text": ([{"kind": "coco", "root": "dogs", "share": "much"}], r"data\.parts\[0\]\.share should be a valid number"),
    "negative": ([{"kind": "coco", "root": "dogs", "share": -1}], r"share should be greater than 0, got -1"),
    "zero": ([{"kind": "coco", "root": "dogs", "share": 0}], r"share should be greater than 0, got 0"),
    "no list of splits": (
        [{"kind": "coco", "root": "a", "splits": "val"}],
        r"got 'val'; for example .*splits=\[val\]",
    ),
    "unknown key": ([{"kind": "coco", "root": "dogs", "shar": 1}], r"unknown key in data\.parts\[0\]: 'shar'"),
    "common key": ([{"kind": "coco", "root": "dogs", "min_count": 1}], r"all parts have the same data\.min_count"),
    "same name": (
        [{"kind": "coco", "root": "dogs"}] * 2,
        r"needs a name of its own, got dogs for data\.parts\[0\] and",
    ),
    "odd name": ([{"kind": "coco", "root": "dogs", "name": "a/b"}], "should be letters, digits, - and _, got 'a/b'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parts_that_do_not_fit_are_refused_in_one_line(case, tmp_path):
    given_parts, complaint = REFUSED[case]
    with pytest.raises(UserError, match=complaint) as refused:
        read(given_parts, tmp_path)
    assert "\n" not in str(refused.value)


UNREADABLE = {
    "no folder": ({"root": "dots"}, r"no data folder at .*dots; set data\.parts\[1\]\.root to the folder"),
    "no split": ({"splits": ["test", "train"]}, r"cannot read .*captions_test\.json"),
    "no file": ({"captions": "some.json"}, r"data\.parts\[1\]\.captions should hold \{split\}, got 'some\.json'"),
    "share alone": ({"splits": ["val"], "share": 2.0}, r"data\.parts\[1\]\.share=2 is for training photos"),
    "no splits": ({"splits": []}, r"data\.parts\[1\]\.splits should name splits of dogs, got none"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_error_names_the_part(case, parts, tmp_path):
    changed, complaint = UNREADABLE[case]
    with pytest.raises(UserError, match=complaint):
        builder.make_splits(read([parts[1], parts[0] | changed], tmp_path))


def test_an_index_beyond_the_parts_is_refused(parts, tmp_path):
    with pytest.raises(
        UserError, match=r"data\.parts\[3\]\.share is not a setting: the data has 3 parts, counted from 0"
    ):
        read(parts, tmp_path, "data.parts[3].share=1")


def test_the_root_of_one_data_set_is_not_that_of_several(parts, tmp_path):
    overrides = [f"data.parts={json.dumps(parts)}", "data.kind=joined"]
    assert builder.read(DRAWN, overrides).data.options["root"] == "."
    assert builder.read(DRAWN, ["data.kind=coco"]).data.options["root"] == "data/drawn"


def test_photos_that_would_share_a_region_file_are_refused(parts, tmp_path):
    region_files = ["encoder.kind=region_files", f"encoder.folder={tmp_path}"]
    with pytest.raises(
        UserError, match=r"found by its photo's name, got .*dogs/images/1\.png and .*cats/images/1\.png"
    ):
        builder.make_splits(read(parts, tmp_path, *region_files))
    splits, _ = builder.make_splits(read(parts, tmp_path, *region_files, "data.only=cats"))
    assert len(splits["train"]) == 3


def test_a_wrong_folder_of_all_parts_is_named_as_such(parts, tmp_path):
    for root in (tmp_path / "elsewhere", tmp_path / "dogs"):
        with pytest.raises(
            UserError, match=rf"none of the folders .* is in {root}, got .*; set data\.root to the folder"
        ):
            joined(parts, str(root))


def test_a_wrong_folder_of_one_part_is_named_by_its_part(parts, tmp_path):
    with pytest.raises(UserError, match=r"no data folder at .*dog; set data\.parts\[0\]\.root"):
        joined([{**parts[0], "root": "dog"}, *parts[1:]], str(tmp_path))


def test_the_doctor_writes_copies_and_training_leaves_them_out(parts, tmp_path, capsys):
    """The training photo dogs/4 is the validation photo cats/4, byte for byte."""
    file = tmp_path / "copies.txt"
    overrides = ["data.kind=joined", f"data.root={tmp_path}", f"data.parts={json.dumps(parts)}", "data.min_count=1"]
    with suppress(SystemExit):
        cli.doctor(DRAWN, overrides, leave_out=file)
    output = capsys.readouterr().out
    assert "written:" in output
    assert "copies.txt, 1 photo;" in output
    assert file.read_text().splitlines()[1:] == ["dogs/4"]
    assert re.search(r"part +train +val +test +captions +share +an epoch takes", output)
    assert re.search(r"cats +3 +1 +2 +6 +2 +6", output)
    with suppress(SystemExit):
        cli.doctor(DRAWN, [*overrides, f"data.leave_out={file}"])
    output = capsys.readouterr().out
    assert "dogs/4" not in output
    assert "take them out of one" in output  # dogs/5 and dogs/6, of val and test
    with suppress(SystemExit):
        cli.doctor(DRAWN, [*overrides, f"data.leave_out={file}"], leave_out=file)
    assert file.read_text().splitlines()[1:] == ["dogs/4"], "photos that are left out already stay in the list"
    assert "photos: train 8, val 3, test 2" in output
    for only, left in {"dogs": [1, 2, 3], "cats": [1, 2, 3]}.items():
        splits, _ = builder.make_splits(read(parts, tmp_path, f"data.leave_out={file}", f"data.only={only}"))
        assert [example.id for example in splits["train"]] == left
    file.write_text("dogs/4\ndogs/44\n")
    with pytest.raises(UserError, match=r"ids of training photos, .* got 'dogs/44', which is none; write it again"):
        builder.make_splits(read(parts, tmp_path, f"data.leave_out={file}"))
    with pytest.raises(UserError, match=r"nothing\.txt.*check data\.leave_out"):
        builder.make_splits(read(parts, tmp_path, "data.leave_out=nothing.txt"))


@given(st.integers(0, 5), st.integers(1, 3), st.integers(0, 4))
def test_every_epoch_has_one_of_the_announced_sizes(seed, per_photo, epoch):
    parts = [Part("a", 0.5)] * 4 + [Part("b", 2.5)] * 3 + [Part("c")] * 2
    captions = [[[START, 4, END]] * (1 + photo % 4) for photo in range(len(parts))]
    photos = CaptionedPhotos(lambda indices, views: torch.zeros(1), captions, parts=parts, per_photo=per_photo)
    assert sum(map(len, photos.order(4, seed, epoch))) in photos.epoch_sizes
    smallest, largest = photos.epoch_sizes[0], photos.epoch_sizes[-1]
    assert (smallest < largest) == (per_photo < 4)


def test_a_batch_that_is_too_small_in_any_epoch_is_refused_before_training():
    check_batch_size(Plan(batch_size=4, accumulate=3), range(3, 5), 1)
    with pytest.raises(UserError, match="the smallest batch has 2"):
        check_batch_size(Plan(batch_size=4, accumulate=3), range(4, 7), 1)
