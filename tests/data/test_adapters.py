"""Every format of captioned photos gives the same examples, or an error that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from captioner import builder
from captioner.data import KINDS
from captioner.data.contract import clean, present
from captioner.errors import UserError
from tests.helpers import DRAWN

PHOTOS = {  # three photos, captions with commas, quotes and other scripts
    "a dog.jpg": ("train", ['Ein Hund, der "bellt"', "दो कुत्ते"]),
    "b.jpg": ("val", ["一只猫在沙发上"]),
    "c.jpg": ("test", ["two cats ,  one  sofa"]),
}


def lay_out(kind: str, root: Path) -> dict:
    """Write PHOTOS as this kind has them; returns the adapter's arguments."""
    (root / "images").mkdir(parents=True)
    for name in PHOTOS:
        Image.new("RGB", (4, 4)).save(root / "images" / name)
    return {
        "karpathy": lay_out_karpathy,
        "flickr": lay_out_flickr,
        "csv": lay_out_csv,
        "tsv": lay_out_tsv,
        "json lines": lay_out_json_lines,
        "coco": lay_out_coco,
    }[kind](root)


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def lay_out_karpathy(root: Path) -> dict:
    images = [
        {
            "filename": name,
            "filepath": "images",
            "cocoid": number,
            "imgid": 100 + number,
            "split": split,
            "sentences": [{"raw": caption, "tokens": caption.split()} for caption in captions],
        }
        for number, (name, (split, captions)) in enumerate(PHOTOS.items())
    ]
    write(root / "dataset_coco.json", json.dumps({"images": images, "dataset": "coco"}))
    return {"kind": "karpathy"}


def lay_out_flickr(root: Path) -> dict:
    lines = [f"{name}#{number}\t{text}" for name, (_, texts) in PHOTOS.items() for number, text in enumerate(texts)]
    write(root / "Flickr8k.token.txt", "\n".join(lines) + "\n")
    lists = {"train": "trainImages", "val": "devImages", "test": "testImages"}
    for split, listed in lists.items():
        names = [name for name, (its, _) in PHOTOS.items() if its == split]
        write(root / f"Flickr_8k.{listed}.txt", "\n".join(names) + "\n")
    return {"kind": "flickr"}


def lay_out_csv(root: Path) -> dict:
    quoted = [
        f'{name},"{text.replace(chr(34), chr(34) * 2)}",{split}'
        for name, (split, texts) in PHOTOS.items()
        for text in texts
    ]
    write(root / "captions.csv", "\n".join(["\ufeffimage,caption,split", *quoted]) + "\n")
    return {"kind": "table"}


def lay_out_tsv(root: Path) -> dict:
    rows = [
        f'{name}\t"{text.replace(chr(34), chr(34) * 2)}"\t{split}'
        for name, (split, texts) in PHOTOS.items()
        for text in texts
    ]
    write(root / "captions.tsv", "\n".join(["image\tcaption\tsplit", *rows]))
    return {"kind": "table", "captions": "captions.tsv"}


def lay_out_json_lines(root: Path) -> dict:
    rows = [{"image": name, "captions": texts, "split": split} for name, (split, texts) in PHOTOS.items()]
    write(root / "captions.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return {"kind": "table", "captions": "captions.jsonl"}


def lay_out_coco(root: Path) -> dict:
    for number, (name, (split, texts)) in enumerate(PHOTOS.items(), start=1):
        annotations = [
            {"id": 10 * number + place, "image_id": number, "caption": text} for place, text in enumerate(texts)
        ]
        content = {"images": [{"id": number, "file_name": name}], "annotations": annotations}
        write(root / f"captions_{split}.json", json.dumps(content))
    return {"kind": "coco"}


def read(root: Path, arguments: dict):
    return KINDS[arguments["kind"]](str(root), **{k: v for k, v in arguments.items() if k != "kind"})


LAYOUTS = ["karpathy", "flickr", "csv", "tsv", "json lines", "coco"]


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_layout_becomes_the_same_examples(tmp_path, kind):
    splits = read(tmp_path, lay_out(kind, tmp_path))
    found = {
        example.image.name: (split, example.references) for split, examples in splits.items() for example in examples
    }
    assert found == {name: (split, [clean(text) for text in texts]) for name, (split, texts) in PHOTOS.items()}
    assert present(splits) == (splits, [])


def test_karpathys_restval_is_trained_on_and_ids_are_cocos(tmp_path):
    lay_out("karpathy", tmp_path)
    path = tmp_path / "dataset_coco.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["images"][2] |= {"split": "restval"}
    del content["images"][2]["cocoid"]
    write(path, json.dumps(content))
    splits = KINDS["karpathy"](str(tmp_path))
    assert [example.id for example in splits["train"]] == [0, 102]
    assert splits["test"] == []


def test_kaggles_flickr8k_has_a_seeded_split(tmp_path):
    (tmp_path / "Images").mkdir()
    names = [f"{number}.jpg" for number in range(50)]
    lines = [f"{name},A dog runs ." for name in names for _ in range(2)]
    write(tmp_path / "captions.txt", "\n".join(["image,caption", *lines]))
    splits = KINDS["table"](str(tmp_path), captions="captions.txt", images="Images")
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 40, "val": 5, "test": 5}
    assert all(len(example.references) == 2 for example in splits["train"])
    write(tmp_path / "captions.txt", "\n".join(["image,caption", *reversed(lines)]))
    again = KINDS["table"](str(tmp_path), captions="captions.txt", images="Images")
    assert {example.id for example in again["val"]} == {example.id for example in splits["val"]}
    other = KINDS["table"](str(tmp_path), captions="captions.txt", images="Images", split_seed=1)
    assert {example.id for example in other["val"]} != {example.id for example in splits["val"]}
    write(tmp_path / "captions.txt", "\n".join(["image,caption", *lines, "new.jpg,A cat sits ."]))
    grown = KINDS["table"](str(tmp_path), captions="captions.txt", images="Images")
    for split in ("val", "test"):
        assert len({example.id for example in grown[split]} & {example.id for example in splits[split]}) >= 4


def test_a_folder_of_photos_is_a_split_to_be_captioned(tmp_path):
    for name in ("b.PNG", "deep/a.jpg", ".hidden.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    splits = KINDS["folder"](str(tmp_path))
    assert [example.id for example in splits["test"]] == ["b.PNG", "deep/a.jpg"]
    assert not any(example.references for example in splits["test"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no file that is named like a photo"):
        KINDS["folder"](str(tmp_path / "empty"))


def test_photos_without_a_file_are_an_error_or_left_out_as_asked(tmp_path):
    splits = read(tmp_path, lay_out("coco", tmp_path))
    (tmp_path / "images" / "c.jpg").unlink()
    with pytest.raises(UserError, match=r"name 3 photos, got 1 of them without a file, first .*c\.jpg"):
        present(splits)
    there, gone = present(splits, skip_missing=True)
    assert there["test"] == []
    assert [example.image.name for example in gone] == ["c.jpg"]
    with pytest.raises(UserError, match="no photo of val has a file"):
        present({**splits, "val": splits["test"]}, skip_missing=True)
    splits["test"].append(splits["val"][0])
    there, gone = present(splits, skip_missing=True)
    assert [example.image.name for example in gone] == ["c.jpg"]
    assert [example.image.name for example in there["test"]] == ["b.jpg"]


BAD = {
    "no json": ("karpathy", "dataset_coco.json", "no json", "should be json"),
    "no images": ("karpathy", "dataset_coco.json", "[]", "should hold a list `images`"),
    "no split": ("karpathy", "dataset_coco.json", '{"images": [{"filename": "a"}]}', "should have filename, split"),
    "odd split": (
        "karpathy",
        "dataset_coco.json",
        '{"images": [{"filename": "a", "split": "dev", "sentences": []}]}',
        "got 'dev'",
    ),
    "no raw": (
        "karpathy",
        "dataset_coco.json",
        '{"images": [{"filename": "a", "split": "val", "sentences": [{}], "imgid": 1}]}',
        "`raw`",
    ),
    "no id": (
        "karpathy",
        "dataset_coco.json",
        '{"images": [{"filename": "a", "split": "val", "sentences": []}]}',
        "neither",
    ),
    "no tab": ("flickr", "Flickr8k.token.txt", "a dog.jpg#0 a dog", "line 1: should be a photo's name"),
    "listed, not captioned": ("flickr", "Flickr_8k.devImages.txt", "z.jpg", "1 of 1 without, first z.jpg"),
    "no header": ("csv", "captions.csv", "a dog.jpg,a dog", "header that names the columns"),
    "no captions": ("csv", "captions.csv", "image,caption", "should hold captions"),
    "too many columns": ("csv", "captions.csv", "image,caption\na dog.jpg,one, two", "quote captions"),
    "no caption": ("csv", "captions.csv", "image,caption\na dog.jpg", "line 2: should have an image and a caption"),
    "unclosed quote": (
        "csv",
        "captions.csv",
        'image,caption\na.jpg,"a\nb.jpg,b\nc.jpg,c',
        "lines 2 to 4: .* quote mark",
    ),
    "unclosed last quote": ("csv", "captions.csv", 'image,caption\na.jpg,a\nb.jpg,"b', "line 3: .* quote mark"),
    "two odd quotes": (
        "csv",
        "captions.csv",
        'image,caption\na.jpg,"a\nb.jpg,b\nc.jpg,c"\nd.jpg,d',
        "lines 2 to 4: .* row",
    ),
    "quoted word": ("csv", "captions.csv", 'image,caption\na.jpg,"a" b', "line 2: .* quote mark"),
    "quoted name": ("csv", "captions.csv", 'image,caption\n"a.jpg,a\nb.jpg",b', "lines 2 to 3: .* row"),
    "quote in a long table": (
        "csv",
        "captions.csv",
        'image,caption\na.jpg,"' + "a\n" * 70_000,
        "line 2: a value is longer .* quote mark",
    ),
    "bad split": ("csv", "captions.csv", "image,caption,split\na,b,extra", "got 'extra'"),
    "two splits": ("csv", "captions.csv", "image,caption,split\na,b,val\na,b,train", "is in val and in train"),
    "some splits": ("csv", "captions.csv", "image,caption,split\na,b,val\nc,b,", "got none for c"),
    "no object": ("json lines", "captions.jsonl", "[]", "should be a json object"),
    "a number": ("json lines", "captions.jsonl", '{"image": "a", "captions": [1]}', "captions should be text"),
    "not utf-8": ("csv", "captions.csv", None, "UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_what_is_missing(tmp_path, case):
    kind, name, text, complaint = BAD[case]
    arguments = lay_out(kind, tmp_path)
    if text is None:
        (tmp_path / name).write_bytes(b"image,caption\na,\xff\xfe")
    else:
        write(tmp_path / name, text)
    with pytest.raises(UserError, match=complaint) as error:
        read(tmp_path, arguments)
    assert name in str(error.value)


def test_accents_are_composed_so_that_one_word_is_spelled_one_way():
    assert clean("cafe\u0301\n au  lait") == "caf\u00e9 au lait"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["captions.csv", "captions.txt", "captions.tsv"])
def test_the_header_says_which_delimiter_a_table_has(tmp_path, delimiter, name):
    quoted = '"a dog; one, two | three\tfour""s\nand more"'
    lines = [["image", "caption", "split"], ["a.jpg", quoted, "train"], ["b.jpg", 'a 12" plate', "val"]]
    write(tmp_path / name, "".join(delimiter.join(line) + "\r\n" for line in lines))
    splits = KINDS["table"](str(tmp_path), captions=name)
    assert splits["train"][0].references == ['a dog; one, two | three four"s and more']
    assert splits["val"][0].references == ['a 12" plate']


def test_a_photo_that_a_list_has_twice_is_one_example(tmp_path):
    kind = lay_out("flickr", tmp_path)["kind"]
    path = tmp_path / "Flickr_8k.devImages.txt"
    before = KINDS[kind](str(tmp_path))["val"]
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    assert KINDS[kind](str(tmp_path))["val"] == before


def test_photos_of_one_name_in_two_folders_are_told_apart(tmp_path):
    rows = [("a/1.jpg", "a dog"), ("b/1.jpg", "a cat")]
    write(tmp_path / "Flickr8k.token.txt", "".join(f"{name}#0\t{text}\n" for name, text in rows))
    for split in ("train", "dev", "test"):
        write(tmp_path / f"Flickr_8k.{split}Images.txt", "".join(f"{name}\n" for name, _ in rows))
    settings = builder.read(DRAWN, ["data.kind=flickr", f"data.root={tmp_path}"])
    assert [example.id for example in builder.make_all_splits(settings)["train"]] == ["a/1", "b/1"]


def test_an_id_of_two_photos_is_an_error(tmp_path):
    entries = [
        {"filename": name, "split": "train", "cocoid": 1, "sentences": [{"raw": "a dog"}]}
        for name in ("a.jpg", "b.jpg")
    ]
    write(tmp_path / "dataset_coco.json", json.dumps({"images": entries}))
    settings = builder.read(DRAWN, ["data.kind=karpathy", f"data.root={tmp_path}"])
    with pytest.raises(UserError, match=r"should have different ids, got 1 for .*a\.jpg and .*b\.jpg in train"):
        builder.make_all_splits(settings)
