"""Result files are scored as by COCO's own tool, alone and against each other."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image
from pycocoevalcap.bleu.bleu import Bleu
from pycocotools.coco import COCO

from captioner import cli
from captioner.commands.score import score_files
from captioner.errors import UserError
from tests.cli.test_cli import run

CAPTIONS = {1: "a dog on grass", 2: "", 3: "two red trains"}
REFERENCES = {1: ["A dog on the grass.", "a dog"], 2: ["A man waits."], 3: ["Two trains!"]}
EMBEDDED = "data:image/png;base64"


@pytest.fixture
def references(tmp_path) -> Path:
    content = {
        "images": [{"id": photo, "file_name": f"{photo}.jpg"} for photo in REFERENCES],
        "annotations": [
            {"id": 10 * photo + place, "image_id": photo, "caption": text}
            for photo, texts in REFERENCES.items()
            for place, text in enumerate(texts)
        ],
    }
    path = tmp_path / "captions_val.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def write(tmp_path):
    def results(entries, name="results.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        entries = entries.items() if isinstance(entries, dict) else entries
        path.write_text(json.dumps([{"image_id": photo, "caption": text} for photo, text in entries]))
        return path

    return results


def coco_scores(references: Path, results: Path) -> list[float]:
    """BLEU by COCO's own reader and scorer, of the words of both."""
    with redirect_stdout(io.StringIO()):
        wanted = COCO(str(references))
        written = wanted.loadRes(str(results))
    texts = [
        {photo: [entry["caption"].lower().strip(".!") for entry in index.imgToAnns[photo]] for photo in wanted.imgs}
        for index in (wanted, written)
    ]
    return Bleu(4).compute_score(*texts, verbose=0)[0]


def test_what_both_accept_scores_the_same_and_captions_without_words_are_counted(write, references, capsys):
    results = write(CAPTIONS)
    row = score_files(results, references).system_scores["results.json"].scores
    assert [row[f"BLEU-{length}"] for length in range(1, 5)] == pytest.approx(
        coco_scores(references, results), rel=1e-9
    )
    _, output, _ = run(capsys, cli.score, results, references)
    assert "1 of 3 captions of results.json have no words (first: 2) and score 0" in output


REFUSED = {
    "a caption is missing": ({1: "a dog", 2: "a man"}, r"1 of 3 have none \(first: 3\); .* --subset"),
    "an image stands twice": ([*CAPTIONS.items(), (1, "a cat")], "one caption, got image_id 1 twice"),
    "an image is unknown": (CAPTIONS | {9: "a cat"}, r"needs its photo's references, 1 of 4 \(first: 9\) have none"),
    "ids are texts": ({str(photo): text for photo, text in CAPTIONS.items()}, "7 is not '7'"),
    "there is nothing": ({}, "every photo with references needs a caption, 3 of 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cocos_tool_refuses_is_refused_in_words(write, references, name):
    entries, complaint = REFUSED[name]
    results = write(entries)
    with pytest.raises((AssertionError, IndexError)):
        coco_scores(references, results)
    with pytest.raises(UserError, match=complaint):
        score_files(results, references)


def test_a_subset_is_scored_as_if_there_were_no_other_photos(write, references):
    found = score_files(write({1: "a dog on grass", 3: "two red trains"}), references, subset=True)
    assert found.references.keys() == {1, 3}
    assert found.protocol.num_photos == 2
    assert "captioned photos only" in found.protocol.signature()
    with pytest.raises(UserError, match="needs its photo's references"):
        score_files(write({1: "a dog", 9: "a cat"}), references, subset=True)
    with pytest.raises(UserError, match="no photo with references is captioned"):
        score_files(write({9: "a cat"}), references, subset=True)


def test_two_files_are_compared_photo_by_photo(write, references, tmp_path, capsys):
    ours, theirs = write(CAPTIONS, "a/results.json"), write(CAPTIONS | {2: "a man waits"}, "b/results.json")
    scores = tmp_path / "scores.json"
    status, output, _ = run(capsys, cli.score, theirs, references, "--against", ours, "--json", scores)
    assert status == 0
    assert "difference" in output
    assert "95 % interval" in output
    stored = json.loads(scores.read_text(encoding="utf-8"))
    assert set(stored["scores"]) == {"a/results.json", "b/results.json"}
    difference, low, high = stored["differences"]["CIDEr-D"]
    rows = stored["scores"]
    assert difference == pytest.approx(rows["b/results.json"]["CIDEr-D"] - rows["a/results.json"]["CIDEr-D"])
    assert 0 <= low < difference < high  # only the second photo differs, and there it is better
    with pytest.raises(UserError, match="another result file"):
        score_files(ours, references, against=ours)


def test_files_against_each_other_must_caption_the_same_photos_unless_the_shared_ones_are_asked_for(write, references):
    ours, theirs = write(CAPTIONS, "one.json"), write({1: "a dog", 3: "trains"}, "other.json")
    with pytest.raises(UserError, match=r"other\.json: every photo with references needs a caption"):
        score_files(ours, references, against=theirs)
    assert score_files(ours, references, against=theirs, subset=True).references.keys() == {1, 3}
    with pytest.raises(
        UserError, match=r"another\.json and the references should be of the same photos, got none in common"
    ):
        score_files(ours, references, against=write({7: "a dog"}, "another.json"))


def test_a_page_shows_the_worst_first_with_and_without_photos(write, references, tmp_path, capsys):
    results, page = write(CAPTIONS), tmp_path / "page.html"
    status, _, _ = run(capsys, cli.score, results, references, "--page", page)
    assert status == 0
    text = page.read_text(encoding="utf-8")
    assert text.index("2.jpg") < text.index("1.jpg")
    assert "A dog on the grass." in text
    assert EMBEDDED not in text
    Image.new("RGB", (40, 30)).save(tmp_path / "1.jpg")
    run(capsys, cli.score, results, references, "--page", page, "--photos", tmp_path)
    assert page.read_text(encoding="utf-8").count(EMBEDDED) == 1  # the others have none there
    other = write(CAPTIONS | {1: "a dog"}, "other.json")
    run(capsys, cli.score, results, references, "--page", page, "--against", other)
    assert "results.json minus other.json" in page.read_text(encoding="utf-8")
    status, _, errors = run(capsys, cli.score, results, references, "--photos", tmp_path)
    assert status == 2
    assert "give --page" in errors


def test_objects_add_chair(write, references, tmp_path):
    content = {
        "images": [{"id": photo} for photo in REFERENCES],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "train"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    results = write(CAPTIONS | {2: "a dog"})
    row = score_files(results, references, instances=tmp_path / "instances.json").system_scores["results.json"].scores
    assert (row["CHAIR_i"], row["CHAIR_s"], row["object recall"]) == (1 / 3, 1 / 3, 1)


def test_baselines_come_from_captions_as_they_were_written(write, references, tmp_path):
    """A bracket cut twice by `ptb` would be another word than in the references."""
    train = json.loads(references.read_text())
    for entry in train["annotations"]:
        entry["caption"] = "A man (old) waits."
    (tmp_path / "train.json").write_text(json.dumps(train))
    for entry in train["annotations"]:
        entry["caption"] = "a man (old) waits"
    references.write_text(json.dumps(train))
    row = score_files(write(CAPTIONS), references, train=tmp_path / "train.json").system_scores["most frequent"].scores
    assert row["BLEU-4"] == pytest.approx(1)


UNSPACED = {
    "Chinese": "一个男人骑着一匹棕色的马在海滩上",
    "Japanese": "公園で茶色の犬が走っています",
    "Thai": "ผู้ชายกำลังขี่ม้าบนชายหาด",
    "Khmer": "បុរសម្នាក់កំពុងជិះសេះនៅលើឆ្នេរ",
    "Burmese": "ကမ်းခြေတွင်မြင်းစီးနေသောလူတစ်ယောက်",
    "Lao": "ຜູ້ຊາຍຂີ່ມ້າຢູ່ເທິງຫາດຊາຍ",
}


def score_texts(tmp_path, texts: list[str], *options, capsys) -> tuple[int, str, str]:
    entries = [{"image_id": photo, "caption": text} for photo, text in enumerate(texts)]
    references = [{"id": entry["image_id"], **entry, "caption": f"{entry['caption']}的"} for entry in entries]
    images = [{"id": entry["image_id"], "file_name": "a.jpg"} for entry in entries]
    (tmp_path / "results.json").write_text(json.dumps(entries), encoding="utf-8")
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps({"images": images, "annotations": references}), encoding="utf-8")
    return run(capsys, cli.score, tmp_path / "results.json", captions, "--no-java", *options)


@pytest.mark.parametrize("language", UNSPACED)
@pytest.mark.parametrize("tokens", ["ptb", "simple", "whitespace"])
def test_a_tokeniser_that_does_not_cut_a_language_says_so_and_names_another(tmp_path, capsys, language, tokens):
    page, texts = tmp_path / "out.html", [UNSPACED[language], f"{UNSPACED[language]} 2"]
    status, out, _ = score_texts(tmp_path, texts, "--tokens", tokens, "--page", page, capsys=capsys)
    assert status == 0
    assert f"tokens: {tokens} does not cut into words" in out
    assert "--tokens characters" in out
    assert "--tokens characters" in page.read_text(encoding="utf-8")
    assert "does not cut" not in score_texts(tmp_path, texts, "--tokens", "characters", capsys=capsys)[1]


@pytest.mark.parametrize(
    "text", ["رجل يركب حصانا على الشاطئ", "한 남자가 말을 타고 있다", "一个 男人 骑着 一匹 马", "a man on a horse"]
)
def test_languages_with_spaces_and_captions_that_are_cut_are_scored_without_a_word(tmp_path, capsys, text):
    status, out, _ = score_texts(tmp_path, [text, f"{text} 2"], capsys=capsys)
    assert status == 0
    assert "does not cut" not in out


def test_a_folder_of_photos_that_is_none_is_refused(write, references, tmp_path, capsys):
    options = ("--photos", references, "--page", tmp_path / "page.html")
    status, _, error = run(capsys, cli.score, write(CAPTIONS), references, "--no-java", *options)
    assert status == 2
    assert "--photos needs the folder of the photos" in error


def test_one_photo_has_no_cider(tmp_path, capsys):
    assert "CIDEr-D of one photo is always 0" in score_texts(tmp_path, ["a dog"], capsys=capsys)[1]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({str(photo): ["a dog"] for photo in range(5000)}, "a json object with the keys 0, 1, 2,"),
        ({"images": [], "annotations": []}, "a captions file, which holds references"),
        ([], "every photo with references needs a caption"),
        ("x" * 100_000, 'got "xxx'),
        ([["a dog"] * 5000], "each result should have image_id"),
        ([{"image_id": 1, "caption": ["x" * 9000]}], "each result should have image_id"),
        ([{"image_id": "9" * 5000, "caption": "a"}] * 2, "got image_id '999"),
    ],
)
def test_another_kind_of_file_is_named_in_a_short_line(write, references, tmp_path, capsys, content, named):
    (tmp_path / "other.json").write_text(json.dumps(content), encoding="utf-8")
    status, _, err = run(capsys, cli.score, tmp_path / "other.json", references)
    assert status == 2
    assert named in err
    assert len(err) < 1000
    status, _, err = run(capsys, cli.score, write(CAPTIONS), tmp_path / "other.json")
    assert status == 2
    assert "should hold" in err
    assert len(err) < 1000


def test_references_need_no_file_names(write, references, tmp_path, capsys):
    content = json.loads(references.read_text(encoding="utf-8"))
    content["images"] = [{"id": image["id"]} for image in content["images"]]
    references.write_text(json.dumps(content), encoding="utf-8")
    page = tmp_path / "page.html"
    status, _, error = run(capsys, cli.score, write(CAPTIONS), references, "--no-java", "--page", page)
    assert status == 0, error
    assert "a dog on grass" in page.read_text(encoding="utf-8")
    with pytest.raises(UserError, match="--clip needs the file_name of every image"):
        score_files(write(CAPTIONS), references, clip="none", photos=tmp_path)


def test_a_list_in_place_of_references_is_met_with_what_references_are(write, references, capsys):
    references.write_text(json.dumps([{"image": "1.jpg", "caption": ["a dog"]}]), encoding="utf-8")
    status, _, error = run(capsys, cli.score, write(CAPTIONS), references, "--no-java")
    assert status == 2
    assert "references are an object with the lists images and annotations" in error
    assert "data.kind" not in error


def test_a_photo_that_cannot_be_read_is_shown_as_text_on_the_page(write, references, tmp_path, capsys):
    page = tmp_path / "page.html"
    (tmp_path / "1.jpg").write_bytes(b"no photo")
    status, _, errors = run(capsys, cli.score, write(CAPTIONS), references, "--page", page, "--photos", tmp_path)
    assert status == 0
    assert "shown without its photo" in errors
    assert EMBEDDED not in page.read_text(encoding="utf-8")


def test_a_result_file_named_as_a_baseline_is_refused(write, references, capsys):
    status, _, errors = run(capsys, cli.score, write(CAPTIONS, "most frequent"), references)
    assert status == 2
    assert "'most frequent' is the name of a baseline" in errors
