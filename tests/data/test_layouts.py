"""Layouts in which people keep captioned photos are read, and what is left out is counted."""

from __future__ import annotations

import json
import os
import re
import unicodedata

import pytest
from PIL import Image

from captioner import builder
from captioner.commands.doctor import diagnose
from captioner.commands.evaluate import check_split
from captioner.data import KINDS
from captioner.data.checks import examine
from captioner.data.contract import Example
from captioner.data.leaving_out import named_ids, without
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.text.tokens import leaves_whole
from captioner.text.vocabulary import Vocabulary
from tests.helpers import CONFIGS

ROWS = [("a.jpg", "a dog, running"), ("b.jpg", "a cat"), ("c.jpg", "two birds")]
CSV = {
    "file_name,text": ("metadata.csv", ",", "file_name,text", {}),
    "semicolons": ("captions.csv", ";", "image;caption", {}),
    "bars": ("results.csv", "| ", "image_name| comment", {}),
    "tabs": ("captions.txt", "\t", "Image\tCaption", {}),
    "own names": ("own.csv", ";", "id;photo;title", {"image": "photo", "caption": "title"}),
}


def read(root, **arguments):
    splits = KINDS["table"](str(root), **{"images": ".", "val_share": 0.0, "test_share": 0.0} | arguments)
    return {example.image.name: example.references for example in splits["train"]}


WANTED = {name: [caption] for name, caption in ROWS}


@pytest.mark.parametrize("layout", CSV)
def test_delimiters_and_names_of_columns(tmp_path, layout):
    name, delimiter, header, columns = CSV[layout]
    lines = [delimiter.join([*(["7"] if columns else []), photo, f'"{caption}"']) for photo, caption in ROWS]
    if delimiter == "| ":
        lines = [f"{photo}| {caption}" for photo, caption in ROWS]
    (tmp_path / name).write_text("\n".join([header, *lines]))
    assert read(tmp_path, captions=name, columns=columns) == WANTED


def test_json_lines_and_lists_of_other_projects(tmp_path):
    lines = [json.dumps({"file_name": photo, "text": caption}) for photo, caption in ROWS]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    entries = [{"caption": caption, "image": photo, "image_id": "coco_1"} for photo, caption in ROWS]
    (tmp_path / "train.json").write_text(json.dumps(entries))
    assert read(tmp_path, captions="metadata.jsonl") == read(tmp_path, captions="train.json") == WANTED


def test_a_table_of_each_split_under_its_usual_names(tmp_path):
    for split, (photo, caption) in zip(("train", "validation", "test"), ROWS, strict=True):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.csv").write_text(f'file_name,text\n{photo},"{caption}"\n')
    splits = KINDS["table"](str(tmp_path), captions="{split}/metadata.csv", images="{split}")
    assert [example.id for example in splits["val"]] == ["b.jpg"]
    assert splits["val"][0].image == tmp_path / "validation" / "b.jpg"
    (tmp_path / "one.csv").write_text("image,caption,split\na.jpg,a,train\nb.jpg,b,validation\nc.jpg,c,dev\n")
    assert len(KINDS["table"](str(tmp_path), captions="one.csv")["val"]) == 2


def test_a_text_beside_each_photo(tmp_path):
    for photo, caption in ROWS:
        (tmp_path / photo).write_bytes(b"")
        (tmp_path / photo).with_suffix(".txt").write_text(f"{caption}\n")
    assert read(tmp_path, captions=".txt") == WANTED
    with pytest.raises(UserError, match=r"set data\.captions=\.txt"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["METADATA.JSONL", "LIST.JSON", "CAPTIONS.CSV"])
def test_endings_in_capitals_and_marks_at_the_start_of_a_table(tmp_path, name):
    rows = [{"image": photo, "caption": caption} for photo, caption in ROWS]
    lines = "\n".join(map(json.dumps, rows)) if name.endswith("L") else json.dumps(rows)
    if name.endswith("CSV"):
        lines = "\n".join(["image,caption", *(f'{photo},"{caption}"' for photo, caption in ROWS)])
    (tmp_path / name).write_text(f"\ufeff\ufeff{lines}", encoding="utf-8")
    assert read(tmp_path, captions=name) == WANTED


def test_texts_in_capitals_are_read_and_whatever_is_no_photo_with_a_text_is_counted(tmp_path, capsys):
    for photo, caption in ROWS:
        (tmp_path / photo).write_bytes(b"")
        (tmp_path / photo).with_suffix(".TXT").write_text(caption)
    assert read(tmp_path, captions=".txt") == WANTED
    assert capsys.readouterr().err == ""
    (tmp_path / "lonely.txt").write_text("a caption whose photo is gone")
    (tmp_path / "raw.CR2").write_bytes(b"")
    assert read(tmp_path, captions=".txt") == WANTED
    assert "not named like photos: 2 files (1 .txt, 1 .cr2)" in capsys.readouterr().err


BLANKS = [" lead.jpg", "trail.jpg ", "\u00a0both.jpg\t"]


def write_with_blanks(root):
    """The same captions in four layouts, and their photos."""
    rows = [{"image": name, "caption": "a dog"} for name in BLANKS]
    for row in rows:
        Image.new("RGB", (8, 8)).save(root / row["image"], "JPEG")
    (root / "t.csv").write_text("\n".join(["image,caption", *(f'"{name}",a dog' for name in BLANKS)]))
    (root / "t.tsv").write_text("\n".join(["caption\timage", *(f'a dog\t"{name}"' for name in BLANKS)]))
    (root / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "t.json").write_text(json.dumps(rows))


@pytest.mark.parametrize("layout", ["t.csv", "t.tsv", "t.jsonl", "t.json"])
def test_blanks_around_a_file_name_are_kept_if_the_file_has_them(tmp_path, layout):
    write_with_blanks(tmp_path)
    assert read(tmp_path, captions=layout) == {name: ["a dog"] for name in BLANKS}
    for name in BLANKS:
        (tmp_path / name).rename(tmp_path / name.strip())
    assert read(tmp_path, captions=layout) == {name.strip(): ["a dog"] for name in BLANKS}


def test_blanks_around_a_file_name_in_folders_of_splits_beside_texts_and_in_ids_to_leave_out(tmp_path):
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / split / " a.jpg")
        (tmp_path / split / " a.txt").write_text("a dog")
    (tmp_path / "t.csv").write_text("image,caption,split\n a.jpg,a dog,train\n")
    splits = [
        KINDS["table"](str(tmp_path), captions="t.csv", images="{split}"),
        KINDS["table"](str(tmp_path), captions=".txt", images="{split}"),
    ]
    assert [found["train"][0].image for found in splits] == [tmp_path / "train" / " a.jpg"] * 2
    assert splits[1]["val"][0].has_file
    for line in (" a.jpg", "  a.jpg "):
        (tmp_path / "out").write_text(line)
        names = {" a.jpg": " a.jpg", "  a.jpg ": "a.jpg"}
        train = [Example(names[line], tmp_path, ["a dog"]), Example("b", tmp_path, ["a cat"])]
        assert [example.id for example in without({"train": train}, tmp_path / "out")["train"]] == ["b"]


def test_a_test_file_without_annotations_and_rejected_captions(tmp_path, capsys):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    annotations = [
        {"id": 1, "image_id": 1, "caption": "a dog", "is_rejected": False},
        {"id": 2, "image_id": 1, "caption": "Quality issues are too severe", "is_rejected": True},
        {"id": 3, "image_id": 2, "caption": "Quality issues are too severe", "is_rejected": True},
    ]
    for split in ("train", "valid"):
        (tmp_path / f"{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    (tmp_path / "test.json").write_text(json.dumps({"info": {}, "images": images}))
    splits = KINDS["coco"](str(tmp_path), "{split}.json")
    assert [(example.id, example.references) for example in splits["val"]] == [(1, ["a dog"])]
    assert [example.references for example in splits["test"]] == [[], []]
    assert "2 captions that are marked as rejected are left out" in capsys.readouterr().err


def test_photos_without_captions_are_counted(tmp_path, capsys):
    for photo, _ in ROWS:
        (tmp_path / photo).write_bytes(b"")
    (tmp_path / "b.txt").write_text("a cat")
    assert read(tmp_path, captions=".txt") == {"b.jpg": ["a cat"]}
    said = " ".join(capsys.readouterr().err.split())
    assert "no .txt file is beside them: 2 of 3 photos; first" in said
    rejected = {"id": 1, "image_id": 1, "caption": "too dark", "is_rejected": True}
    content = {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
               "annotations": [rejected, {"id": 2, "image_id": 2, "caption": "a cat"}]}  # fmt: skip
    (tmp_path / "val.json").write_text(json.dumps(content))
    assert [example.id for example in KINDS["coco"](str(tmp_path), "val.json", splits=["val"])["val"]] == [2]
    assert "1 photos are left out, since all of their captions are rejected" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_test_file_with_a_name_of_its_own(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}]
    (tmp_path / "image_info_test2014.json").write_text(json.dumps({"images": images}))
    splits = KINDS["coco"](str(tmp_path), "image_info_test2014.json", "test2014", ["test"])
    assert [example.image for example in splits["test"]] == [tmp_path / "test2014" / "a.jpg"]
    with pytest.raises(UserError, match=r"no split 'test'.*data\.splits=\[test\] data\.captions=NAME\.json"):
        check_split({"train": [], "val": splits["test"]}, "test", "coco")


@pytest.mark.parametrize("captions", ["captions.csv", "{split}/metadata.csv"])
def test_photos_beside_a_table_need_no_setting(tmp_path, captions):
    for split in ("train", "val"):
        table = tmp_path / captions.replace("{split}", split)
        table.parent.mkdir(exist_ok=True)
        table.write_text("image,caption\na.jpg,a dog\n")
    splits = KINDS["table"](str(tmp_path), captions, val_share=0.0, test_share=0.0)
    assert splits["train"][0].image == (tmp_path / captions.replace("{split}", "train")).parent / "a.jpg"
    (tmp_path / "images").mkdir()
    splits = KINDS["table"](str(tmp_path), captions, val_share=0.0, test_share=0.0)
    assert splits["train"][0].image == tmp_path / "images" / "a.jpg"


@pytest.mark.parametrize("names", ["img_{}", "1000{}_69ab{}c", "{}", "photo{}.jpg"])
def test_two_stray_quotes_do_not_swallow_rows(tmp_path, names):
    rows = [f"{names.replace('{}', str(number))},{text}" for number, text in enumerate(
        ["a cat", '"a dog runs', "two dogs", 'a "bird', "a fish"], start=11)]  # fmt: skip
    rows[3] = rows[3].replace('a "bird', 'a bird"')
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *rows]))
    with pytest.raises(
        UserError, match=r"captions\.csv, lines 3 to 5: the value that starts with a quote mark in line 3"
    ):
        read(tmp_path)
    (tmp_path / "captions.csv").write_text('image,caption\nimg_1,"two dogs,\nrunning, fast"\nimg_2,a cat\n')
    assert read(tmp_path) == {"img_1": ["two dogs, running, fast"], "img_2": ["a cat"]}


def test_an_instances_file_and_a_list_of_captions_are_named(tmp_path):
    content = {"images": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="where objects are"):
        KINDS["coco"](str(tmp_path), "{split}.json")
    (tmp_path / "train.json").write_text(json.dumps([{"image": "a.jpg", "caption": "a"}]))
    with pytest.raises(UserError, match=r"data\.kind=table"):
        KINDS["coco"](str(tmp_path), "{split}.json")


@pytest.mark.timeout(20)
def test_every_file_of_a_folder_is_a_photo_or_counted(tmp_path, capsys):
    for name in ("a.HEIC", "b.mpo", "c.tga", "d.ico", "notes.txt", ".hidden.jpg", "e.mov"):
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    splits = KINDS["folder"](str(tmp_path))
    assert [example.id for example in splits["test"]] == ["a.HEIC", "b.mpo", "c.tga", "d.ico", "pipe.jpg"]
    said = capsys.readouterr().err
    assert all(part in said for part in ("3 files", "1 hidden", "1 .txt", "1 .mov"))


@pytest.mark.parametrize(
    "caption",
    [
        "浜辺で馬に乗っている男性",
        "បុរសម្នាក់កំពុងជិះសេះនៅលើឆ្នេរ",
        "ကမ်းခြေတွင်မြင်းစီးနေသောလူတစ်ယောက်",
        "ຜູ້ຊາຍຂີ່ມ້າຢູ່ເທິງຫາດຊາຍ",
        "མི་ཞིག་རྟ་ལ་བཞོན་ནས་འགྲོ",
    ],
)
def test_no_tokeniser_but_that_of_characters_cuts_scripts_without_spaces(caption):
    assert leaves_whole(caption, "ptb")
    assert leaves_whole(caption, "whitespace")
    assert not leaves_whole(caption, "characters")


@pytest.mark.parametrize(
    "caption", ["បុរស\u200bម្នាក់\u200bកំពុង\u200bជិះ\u200bសេះ", "ผู้ชาย ขี่ ม้า บน ชายหาด", "一个 男人 骑着 一匹 马"]
)
def test_captions_that_were_cut_into_words_have_spaces_or_spaces_without_width(caption):
    assert not leaves_whole(caption, "simple")


def test_captions_without_spaces_are_a_bad_finding(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("image,caption\na.png,一个男人骑着马在海滩上奔跑。\n", encoding="utf-8")
    splits = KINDS["table"](str(tmp_path), images=".", val_share=0.0, test_share=0.0)
    for tokens, bad in (("simple", True), ("characters", False)):
        vocabulary = Vocabulary.from_captions(splits["train"][0].references, 1, tokens)
        found = examine(splits, vocabulary, 1, 50, open_photo)
        assert any("data.tokens=characters" in finding.what and finding.bad for finding in found) == bad


def test_split_in_braces_needs_no_quotes():
    settings = builder.read(CONFIGS / "pascal_soft.yaml", ["data.captions={split}/a.json", "data.images={split}"])
    assert settings.data.options["images"] == "{split}"


def test_tables_in_the_folders_of_splits_are_named(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "a dog"}', encoding="utf-8")
    with pytest.raises(
        UserError, match=re.escape("train has metadata.jsonl: set data.captions='{split}/metadata.jsonl'")
    ):
        read(tmp_path, captions="metadata.jsonl")


def test_a_folder_without_photos_counts_what_it_has(tmp_path, capsys):
    for name in ("IMG_1", "IMG_2", "raw.cr2"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="holds no file that is named like a photo"):
        KINDS["folder"](str(tmp_path))
    assert "3 files (2 without ending, 1 .cr2)" in capsys.readouterr().err


def test_a_folder_without_captions_says_how_to_train_on_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"data\.captions=\.txt"):
        diagnose(CONFIGS / "own_photos.yaml", ["data.kind=folder", f"data.root={tmp_path}"])


@pytest.mark.parametrize("wrong", [{"sentences": [{"raw": None}]}, {"sentences": {"raw": "a"}}, {"sentences": ["a"]}, {"sentences": 7},
                                   {"filename": 5}, {"filepath": ["a"]}, {"cocoid": None}], ids=str)  # fmt: skip
def test_values_of_other_types_in_karpathys_file_are_named(tmp_path, wrong):
    entry = {"filename": "a.jpg", "cocoid": 1, "split": "train", "sentences": [{"raw": "a dog"}]}
    path = tmp_path / "dataset_coco.json"
    path.write_text(json.dumps({"images": [entry]}))
    assert KINDS["karpathy"](str(tmp_path))["train"][0].references == ["a dog"]
    path.write_text(json.dumps({"images": [entry | wrong]}))
    with pytest.raises(UserError, match=r"dataset_coco\.json: .* should "):
        KINDS["karpathy"](str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (
            {"columns": {"caption": "title"}},
            "image,caption\na.png,a dog\n",
            "should have a column 'title', which data.columns",
        ),
        ({"columns": {"image": "caption"}}, "image,caption\na.png,a dog\n", "should start with a header"),
        ({"captions": "."}, "", "should be a file, got a folder"),
        ({"captions": ".."}, "", "should be a file, got a folder"),
        ({}, "image,caption\na.png," + "x" * 140_000, "line 2: a value is longer than 131,072 characters"),
    ],
    ids=["no such column", "one column twice", "this folder", "the folder above", "long value"],
)
def test_odd_tables_and_names_of_tables_are_named(tmp_path, arguments, text, message):
    (tmp_path / "captions.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read(tmp_path, **arguments)


@pytest.mark.parametrize("value", [None, {"0": "a.png"}, "none"])
def test_a_list_of_another_type_is_quoted(tmp_path, value):
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": value}
    (tmp_path / "captions_train.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"should hold a list `annotations`, got (None|{'0'|none)"):
        KINDS["coco"](str(tmp_path))


def test_data_without_training_photos_say_what_they_have(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("image,caption,split\na.png,a dog,val\n", encoding="utf-8")
    settings = builder.read(CONFIGS / "own_photos.yaml", ["data.kind=table", f"data.root={tmp_path}"])
    with pytest.raises(
        UserError, match=r"got train 0, val 1, test 0; training needs captions: give the split train photos"
    ):
        builder.make_vocabulary(settings, builder.make_all_splits(settings))


def test_the_doctor_gives_the_size_of_the_feature_store(tmp_path):
    for number in range(30):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / f"{number}.png")
    lines = "".join(f"{number}.png,a dog\n" for number in range(30))
    (tmp_path / "captions.csv").write_text(f"image,caption\n{lines}", encoding="utf-8")
    encoder = ["encoder.kind=squeezenet1_1", "encoder.weights=none"]
    _, sizes = diagnose(CONFIGS / "own_photos.yaml", [f"data.root={tmp_path}", "data.min_count=1", *encoder])
    assert re.fullmatch(r"[\d.]+ MiB", sizes["feature store"])
    assert "parts" not in sizes


@pytest.mark.parametrize("names", [("train", "val"), ("training", "dev"), ("train", "development")], ids=str)
def test_folders_of_splits_hold_texts_beside_their_photos(tmp_path, capsys, names):
    for name, (photo, caption) in zip(names, ROWS, strict=False):
        (tmp_path / name).mkdir()
        (tmp_path / name / photo).write_bytes(b"")
        (tmp_path / name / photo).with_suffix(".txt").write_text(caption)
    splits = KINDS["table"](str(tmp_path), captions=".txt", images="{split}")
    assert {split: [example.image for example in examples] for split, examples in splits.items()} == {
        "train": [tmp_path / names[0] / "a.jpg"],
        "val": [tmp_path / names[1] / "b.jpg"],
    }
    KINDS["table"](str(tmp_path), captions=".txt", val_share=0.0, test_share=0.0)
    assert "set data.images='{split}'" in " ".join(capsys.readouterr().err.split())


def test_one_table_names_photos_in_the_folders_of_their_splits(tmp_path):
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
    table = tmp_path / "captions.csv"
    table.write_text("image,caption,split\na.jpg,a dog,train\na.jpg,a dog,train\nb.jpg,a cat,eval\n")
    splits = KINDS["table"](str(tmp_path), images="{split}")
    assert splits["train"][0].image == tmp_path / "train" / "a.jpg"
    assert splits["val"][0].image == tmp_path / "validation" / "b.jpg"
    table.write_text("image,caption\na.jpg,a dog\n")
    with pytest.raises(UserError, match="should have a column split"):
        read(tmp_path, images="{split}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions.csv", "image,caption,caption\na.jpg,a dog,a cat\n", r"should have one column 'caption', got 2"),
        ("captions.csv", "PK\x03\x04\0\0\0", "got a zero byte in line 1, as in a spreadsheet"),
        ("captions.csv", "image,caption\na.jpg,a dog\nb.jpg,a c\0t\n", "got a zero byte in line 3"),
        ("captions.csv", "1.jpg#0\ta dog\n", r"for a token file .* set data\.kind=flickr"),
        ("captions.jsonl", '{"img": "a.jpg", "title": "a dog"}', r"line 1: .* got the keys img, title; rename them"),
        (
            "captions.jsonl",
            '{}\n{"image": "a.jpg", "caption": "a dog"}',
            "line 1: should have an image and a caption, got no keys",
        ),
        ("captions.json", "[{}]", "entry 1: should have an image and a caption, got no keys"),
        ("captions.json", '[{"img": "a.jpg", "title": "a dog"}]', r"entry 1: .* got the keys img, title; rename them"),
        ("captions.json", '[{"image_id": 7, "caption": "a dog"}]', "should be the name of a file, got the number 7"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_its_own_terms(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as refused:
        read(tmp_path, captions=name)
    assert ("header" in str(refused.value)) == ("token file" in message)


def test_empty_columns_at_the_end_of_a_header_are_passed_over(tmp_path):
    (tmp_path / "captions.csv").write_text("image,caption,,\na.jpg,a dog,,\n")
    assert read(tmp_path) == {"a.jpg": ["a dog"]}


def test_a_named_column_is_taken_also_beside_one_with_the_usual_name(tmp_path):
    (tmp_path / "t.csv").write_text("image,caption_de,caption\na.jpg,ein Hund,a dog\n")
    assert read(tmp_path, captions="t.csv", columns={"caption": "caption_de"}) == {"a.jpg": ["ein Hund"]}
    (tmp_path / "t.csv").write_text("file,caption,image\na.jpg,a dog,https://x/1\n")
    assert read(tmp_path, captions="t.csv", columns={"image": "file"}) == {"a.jpg": ["a dog"]}


def test_a_photo_has_one_name_however_it_is_written(tmp_path):
    (tmp_path / "t.csv").write_text("image,caption\na.jpg,a dog\n./a.jpg,one dog\nb/../a.jpg,some dog\n")
    splits = KINDS["table"](str(tmp_path), captions="t.csv", images=".", val_share=0.0, test_share=0.0)
    assert [(example.id, len(example.references)) for example in splits["train"]] == [("a.jpg", 3)]


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_accents_of_file_names_may_be_composed_or_not(tmp_path, on_disk, in_table):
    """macOS takes names apart, and most editors compose them."""
    name = "café.png"
    Image.new("RGB", (9, 9)).save(tmp_path / unicodedata.normalize(on_disk, name))
    (tmp_path / "t.csv").write_text(f"image,caption\n{unicodedata.normalize(in_table, name)},a dog\n", "utf-8")
    (example,) = KINDS["table"](str(tmp_path), captions="t.csv", images=".", val_share=0.0, test_share=0.0)["train"]
    assert example.has_file


@pytest.mark.parametrize("cell", ['["a dog", "it\'s a cat"]', """['a dog', "it's a cat"]"""])
def test_a_cell_that_holds_a_list_of_captions_is_taken_apart(tmp_path, cell):
    """As in Flickr30k's table on the Hugging Face hub."""
    (tmp_path / "t.csv").write_text("image,caption\na.jpg," + '"' + cell.replace('"', '""') + '"\nb.jpg,[a] bird\n')
    assert read(tmp_path, captions="t.csv") == {"a.jpg": ["a dog", "it's a cat"], "b.jpg": ["[a] bird"]}


def test_a_key_that_occurs_twice_in_a_json_line_is_an_error(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"image": "a.jpg", "caption": "a dog", "caption": "a cat"}\n')
    with pytest.raises(
        UserError, match=r"t\.jsonl, line 1: should be a json object, but is not \(it has 'caption' twice\)"
    ):
        read(tmp_path, captions="t.jsonl")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_not_utf8_are_split_like_others(tmp_path):
    for number in range(6):
        name = os.fsencode(tmp_path) + b"/caf\xe9%d" % number
        Image.new("RGB", (9, 9)).save(os.fsdecode(name + b".png"))
        with open(name + b".txt", "w") as file:
            file.write("a dog\n")
    splits = KINDS["table"](str(tmp_path), captions=".txt", images=".")
    assert sum(map(len, splits.values())) == 6


def test_an_id_to_leave_out_may_hold_a_line_separator(tmp_path):
    path = tmp_path / "leave_out.txt"
    path.write_text("a\u2028b.jpg\r\nc\x0cd.jpg\n", encoding="utf-8", newline="")
    assert named_ids(path) == ["a\u2028b.jpg", "c\x0cd.jpg"]
