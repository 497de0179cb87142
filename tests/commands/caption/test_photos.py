"""Photos from anywhere are captioned; what cannot be read is named and left out."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from captioner.captioner import Captioner
from captioner.commands.caption import photo_pages
from captioner.commands.caption import photos as captioning
from captioner.data.coco import read_results
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.search import BeamSearch, Greedy, Limits
from captioner.text.vocabulary import Vocabulary
from tests.helpers import make_decoder


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    torch.manual_seed(0)
    encoder, decoder = SmallCNN(size=16, width=2, region_size=7), make_decoder().float()
    with torch.no_grad():
        decoder.to_vocabulary.weight *= 30  # so that captions of different photos differ
        encoder.place *= 0
        encoder.layers[-1][1].weight *= 20
    return Captioner(CaptionModel(encoder, decoder), Vocabulary(list("abcdefg")), Greedy(Limits(4)))


@pytest.fixture
def photos(tmp_path):
    """A folder of every kind of photo, and of files that only look like photos."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    good = Image.effect_noise((40, 30), 80).convert("RGB")
    good.save(folder / "plain.jpg")
    good.save(folder / "deep" / "inside.PNG")
    good.convert("CMYK").save(folder / "cmyk.tif")
    good.quantize(8).save(folder / "palette.png", transparency=0)
    Image.fromarray(numpy.full((5, 7), 40_000, numpy.uint16)).save(folder / "sixteen.png")
    Image.new("RGB", (1, 1)).save(folder / "one.bmp")
    good.save(folder / "moving.gif", save_all=True, append_images=[good.rotate(90)])
    (folder / "cut.jpg").write_bytes((folder / "plain.jpg").read_bytes()[:700])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    return folder


GOOD = ["cmyk.tif", "deep/inside.PNG", "moving.gif", "one.bmp", "palette.png", "plain.jpg", "sixteen.png"]
BAD = ["cut.jpg", "empty.jpg", "text.jpg"]


def test_a_folder_is_captioned_and_unreadable_photos_are_named(captioner, photos, tmp_path, capsys):
    table, details, sheets = tmp_path / "captions.csv", tmp_path / "captions.json", tmp_path / "sheets"
    assert captioning.run(captioner, [str(photos)], {"sheet": sheets}, table, details) == len(BAD)
    output, errors = capsys.readouterr()
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["photo"] for row in rows] == [str(photos / name) for name in GOOD]
    assert all(0 < float(row["confidence"]) <= 1 and row["caption"] in output for row in rows)
    assert all(str(photos / name) in errors for name in BAD)
    assert "3 of 10 photos could not be read" in errors
    assert [entry["photo"] for entry in json.loads(details.read_text(encoding="utf-8"))] == [
        row["photo"] for row in rows
    ]
    assert len(list(sheets.glob("*.png"))) == len(GOOD)


def test_names_are_files_folders_and_patterns_and_each_photo_comes_once(photos):
    found = captioning.find_photos([str(photos / "*.jpg"), str(photos / "plain.jpg"), str(photos / "deep")])
    assert found == [photos / name for name in ("cut.jpg", "empty.jpg", "plain.jpg", "text.jpg", "deep/inside.PNG")]
    with pytest.raises(UserError, match=r"no photo in .*\*\.webp"):
        captioning.find_photos([str(photos / "*.webp")])


def test_a_name_with_brackets_is_a_file_where_there_is_one(photos):
    path = photos / "holiday [1].jpg"
    path.write_bytes((photos / "plain.jpg").read_bytes())
    assert captioning.find_photos([str(path)]) == [path]


def test_a_setting_given_among_the_photos_is_an_error_that_names_set():
    with pytest.raises(UserError, match=r"no photo; .* --set search\.max_length=5"):
        captioning.find_photos(["search.max_length=5"])


def test_an_address_is_an_error_that_says_what_photos_are_read_from():
    with pytest.raises(UserError, match=r"https://example\.org/cat\.jpg is an address, photos are read from files"):
        captioning.find_photos(["https://example.org/cat.jpg"])


def test_a_folder_with_a_dot_in_its_name_holds_a_picture_of_each_photo(captioner, photos, tmp_path):
    folder = tmp_path / "version.2"
    folder.mkdir()
    captioning.run(captioner, [str(photos / GOOD[0])], {"sheet": folder})
    assert [path.name for path in folder.iterdir()] == [f"0000_{GOOD[0].split('.')[0]}.png"]


def test_several_photos_go_to_captions(captioner, photos):
    with pytest.raises(
        TypeError, match=r"a photo is a path or a picture of Pillow, got several; give them to captions"
    ):
        captioner.caption([photos / "plain.jpg"])


def test_one_photo_that_cannot_be_read_is_an_error_and_nothing_is_written(captioner, photos, tmp_path):
    with pytest.raises(UserError, match=r"empty\.jpg is not a picture"):
        captioning.run(captioner, [str(photos / "empty.jpg")], details=tmp_path / "captions.json")
    with pytest.raises(UserError, match="none of 2 photos can be read"):
        captioning.run(captioner, [str(photos / "empty.jpg"), str(photos / "text.jpg")])
    assert not (tmp_path / "captions.json").exists()


def test_one_sheet_for_very_many_photos_is_refused(captioner, photos, tmp_path):
    for number in range(20):
        (photos / f"{number}.jpg").write_bytes((photos / "plain.jpg").read_bytes())
    with pytest.raises(UserError, match="holds up to 16 photos, got 30; give --sheet a folder"):
        captioning.run(captioner, [str(photos)], {"sheet": tmp_path / "sheet.png"})


def test_captions_do_not_depend_on_which_photos_come_together(captioner, photos):
    paths = [photos / name for name in GOOD]
    together = [caption.log_prob for caption in captioner.captions(paths)]
    assert len({round(log_prob, 4) for log_prob in together}) > 3, "photos that are alike would hide a mix-up"
    assert [caption.log_prob for _, caption in captioner.stream(paths, batch_size=2)] == pytest.approx(
        together, abs=1e-4
    )
    assert [captioner.caption(path).log_prob for path in paths] == pytest.approx(together, abs=1e-4)


def test_a_results_file_with_an_image_twice_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": 1, "caption": "a"}] * 2))
    with pytest.raises(UserError, match="got image_id 1 twice"):
        read_results(path)
    path.write_text(json.dumps({"1": "a"}))
    with pytest.raises(UserError, match=r"should hold a list of results, .* got a json object"):
        read_results(path)
    path.write_text(json.dumps([{"image": 1, "words": ["long"] * 100}]))
    with pytest.raises(
        UserError, match=r"each result should have image_id .*, got .{,100} \.\.\.; captioner eval writes such a file"
    ):
        read_results(path)


def test_a_page_shows_every_photo_that_can_be_read_with_what_decoding_found(captioner, photos, tmp_path):
    beams = captioner.with_search(BeamSearch(beams=3, limits=Limits(4)))
    assert captioning.run(beams, [str(photos)], page=tmp_path / "out.html") == len(BAD)
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    found = [json.loads(each.partition("</script>")[0]) for each in page.split('<script type="application/json">')[1:]]
    assert len(found) == len(GOOD)
    captions = beams.candidates(photos / "plain.jpg")
    assert len(captions) == 3
    assert [each["text"] for each in found[GOOD.index("plain.jpg")]["captions"]] == [each.text for each in captions]


def test_a_page_holds_so_many_photos_and_no_more(captioner, photos, monkeypatch):
    monkeypatch.setattr(photo_pages, "_ON_ONE_PAGE", 3)
    with pytest.raises(UserError, match="holds up to 3 photos, got 10"):
        captioning.run(captioner, [str(photos)], page=photos / "out.html")


def test_a_page_of_another_name_is_refused_before_anything_is_captioned(captioner, photos, capsys):
    with pytest.raises(UserError, match=r"a page is saved as HTML, got 'page\.pdf'"):
        captioning.run(captioner, [str(photos / "plain.jpg")], page=photos / "page.pdf")
    assert capsys.readouterr().out == ""


def test_a_caption_prints_in_one_line(captioner, photos):
    caption = captioner.caption(photos / "plain.jpg")
    shape = "{} x {}".format(*caption.weights.shape)
    assert repr(caption) == f"Caption({caption.text!r}, confidence {caption.confidence:.2f}, maps {shape})"


def test_every_picture_is_drawn_of_every_photo(captioner, photos, tmp_path):
    wanted = {"sheet": tmp_path / "sheet.pdf", "strip": tmp_path / "strip.png", "gif": tmp_path / "gifs"}
    captioning.run(captioner, [str(photos / name) for name in GOOD[:3]], wanted)
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.text["photo"].split("\n") == ["cmyk.tif", "inside.PNG", "moving.gif"]
        assert strip.text["models"].split("\n") == ["this model"] * 3
    assert len(list((tmp_path / "gifs").glob("*.gif"))) == 3


def test_every_output_can_be_written_again(captioner, photos, tmp_path):
    names = {"sheet": "a.png", "strip": "a.pdf", "gif": "a.gif"}, {"sheet": "b.svg", "strip": "b.png", "gif": "b.webp"}
    for wanted in [{option: tmp_path / name for option, name in some.items()} for some in names]:
        texts = (tmp_path / f"table{len(wanted)}.csv", tmp_path / "words.json", tmp_path / "page.html")
        for _ in range(2):
            captioning.run(captioner, [str(photos / GOOD[0])], wanted, *texts)


def test_a_photo_given_as_the_name_of_a_sheet_is_kept(captioner, photos, tmp_path, capsys):
    photo = tmp_path / "own.png"
    Image.new("RGB", (40, 30), "red").save(photo)
    before = photo.read_bytes()
    with pytest.raises(UserError, match=r"own\.png exists, and captioner has not written it"):
        captioning.run(captioner, [str(photos / GOOD[0])], {"sheet": photo})
    assert photo.read_bytes() == before
    assert not capsys.readouterr().out
    captioning.run(captioner, [str(photos / GOOD[0])], {"sheet": photo}, overwrite=True)
    assert photo.read_bytes() != before


def test_a_model_without_heads_is_refused_at_its_first_caption(captioner, photos, tmp_path, capsys):
    wanted = {"sheet": tmp_path / "sheet.png", "heads": tmp_path / "heads.png"}
    with pytest.raises(UserError, match="this model has none"):
        captioning.run(captioner, [str(photos / name) for name in GOOD], wanted, table=tmp_path / "captions.csv")
    assert not capsys.readouterr().out
    assert not list(tmp_path.glob("*.png")) + list(tmp_path.glob("*.csv"))


def test_models_stand_beside_one_another_on_a_sheet(captioner, photos, tmp_path, capsys):
    beams = captioner.with_search(BeamSearch(beams=3, limits=Limits(4)))
    wanted = {"sheet": tmp_path / "sheet.png", "strip": tmp_path / "strip.png"}
    captioning.run(captioner, [str(photos / "plain.jpg")], wanted, beside={"beams": beams}, name="greedy")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.text["models"] == "greedy, beams"
        captions = [each.caption(photos / "plain.jpg").text for each in (captioner, beams)]
        assert sheet.text["caption"].split("\n") == captions
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.text["models"] == "greedy"
    assert f"{captions[1]} (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"sheet": "a.jpg"}, r"--sheet writes \.png, \.pdf or \.svg, got 'a\.jpg'"),
        ({"gif": "a.png"}, r"--gif writes \.gif or \.webp, got 'a\.png'"),
        ({"gif": "a.gif"}, "one gif holds up to 1 photos, got 10; give --gif a folder"),
        ({"heads": "heads"}, "this model has none"),
    ],
)
def test_pictures_that_cannot_be_drawn_are_errors(captioner, photos, tmp_path, wanted, message):
    with pytest.raises(UserError, match=message):
        captioning.run(captioner, [str(photos)], {option: tmp_path / name for option, name in wanted.items()})


def test_names_that_are_long_or_not_utf8_get_every_file(captioner, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in (b"\xe9t\xe9.png", b"a" * 240 + b".png", "é".encode() * 118 + b".png"):
        Image.effect_noise((40, 30), 80).convert("RGB").save(tmp_path / "photo.png")
        (tmp_path / "photo.png").rename(folder / os.fsdecode(name))
    wanted = {"sheet": out / "sheets", "strip": out / "strips.png", "gif": out / "gifs"}
    captioning.run(captioner, [str(folder)], wanted, out / "a.csv", out / "a.json", out / "a.html")
    assert len(list((out / "sheets").iterdir())) == len(list((out / "gifs").iterdir())) == 3
    assert len(json.loads((out / "a.json").read_text())) == 3
    assert all((out / name).exists() for name in ("a.csv", "a.html", "strips.png"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_captions_so_far_are_kept_at_ctrl_c_and_if_memory_runs_out(captioner, photos, tmp_path, monkeypatch, error):
    stream = type(captioner).stream

    def stopped(self, photos):
        yield next(iter(stream(self, photos)))
        raise error

    monkeypatch.setattr(type(captioner), "stream", stopped)
    table, details = tmp_path / "captions.csv", tmp_path / "words.json"
    with pytest.raises(error):
        captioning.run(captioner, [str(photos / name) for name in GOOD], table=table, details=details)
    (row,) = csv.DictReader(table.read_text().splitlines())
    (entry,) = json.loads(details.read_text())
    assert row["photo"] == entry["photo"] == str(photos / GOOD[0])


def test_a_photo_given_by_two_names_is_captioned_once(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert captioning.find_photos(["plain.jpg", str(photos / "plain.jpg"), "./plain.jpg"]) == [Path("plain.jpg")]


def test_a_folder_of_pictures_replaces_no_photo_no_file_of_others_and_no_other_picture(captioner, photos, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    photo, own = str(photos / "plain.jpg"), folder / "0000_plain.png"
    with pytest.raises(UserError, match="--sheet and --strip would write pictures of the same names"):
        captioning.run(captioner, [photo], {"sheet": folder, "strip": folder})
    Image.new("RGB", (40, 30), "red").save(own)
    before = own.read_bytes()
    with pytest.raises(UserError, match=r"0000_plain\.png exists, and captioner has not written it"):
        captioning.run(captioner, [photo], {"sheet": folder})
    with pytest.raises(UserError, match=r"0000_plain\.png is read by this command"):
        captioning.run(captioner, [photo, str(own)], {"sheet": folder}, overwrite=True)
    assert own.read_bytes() == before
    captioning.run(captioner, [photo], {"sheet": folder}, overwrite=True)
    captioning.run(captioner, [photo], {"sheet": folder, "gif": folder})
    assert sorted(path.name for path in folder.iterdir()) == ["0000_plain.gif", "0000_plain.png"]
