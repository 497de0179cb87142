"""A score is printed and saved with its protocol, and beside its baselines."""

import io
import json
import os
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from captioner import files
from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.metrics import (
    Protocol,
    count_references,
    most_frequent_caption,
    save_results,
    save_scores,
    score,
    table,
    variety,
)
from captioner.metrics.diversity import AS_THEY_ARE
from captioner.vocabulary import TOKENS

PROTOCOL = Protocol(
    split="val",
    num_photos=300,
    num_references="1-5",
    tokens="simple",
    decoding="beam 5",
    length_rule="mean log-probability",
    unknown="never written",
    seed=0,
)
TRAINING = {1: ["A dog.", "a cat"], 2: ["a dog", "a bird", "."]}


def printed(rows, protocol=PROTOCOL) -> str:
    console = Console(file=io.StringIO(), width=300)
    console.print(table(rows, protocol))
    return console.file.getvalue()


@pytest.mark.parametrize("field", [field.name for field in fields(Protocol)])
def test_the_signature_is_one_line_that_holds_every_field(field):
    changed = replace(PROTOCOL, **{field: "something\nelse"})
    assert "something else" in changed.signature()
    assert len(changed.signature().splitlines()) == 1


def test_the_signature_names_the_scorers_version():
    assert "pycocoevalcap 1." in PROTOCOL.signature()


@pytest.mark.parametrize(
    ("references", "expected"), [({1: ["a"] * 5}, "5"), ({1: ["a"], 2: ["a"] * 5, 3: ["a"] * 2}, "1-5")]
)
def test_references_are_counted_as_a_protocol_says_it(references, expected):
    assert count_references(references) == expected


def test_the_most_frequent_caption_is_counted_in_words():
    assert most_frequent_caption(TRAINING) == "A dog."
    assert most_frequent_caption(TRAINING, "whitespace") == "."  # all stand once: the first in the alphabet


@pytest.mark.parametrize(
    "tokens", [rule for rule in TOKENS if rule != "ptb"]
)  # which makes -lrb- of a bracket, as the jar does
@given(text=st.text())
def test_cutting_a_cut_caption_again_changes_nothing(tokens, text):
    words = TOKENS[tokens](text)
    assert TOKENS[tokens](" ".join(words)) == words


def test_the_most_frequent_caption_is_given_as_it_was_written():
    """Cut twice, brackets would become other words: `ptb` writes -lrb- for one."""
    captions = {1: ["A (red) bus.", "x"], 2: ["a (red) bus"]}
    assert most_frequent_caption(captions, "ptb") == "A (red) bus."
    assert score({1: "A (red) bus."}, {1: ["a (red) bus"]}, "ptb")["BLEU-4"] == pytest.approx(1)


def test_a_table_prints_a_hundred_times_the_score_and_its_protocol():
    text = printed({"soft [4.2]": {"BLEU-4": 0.3649, "CIDEr-D": 1.178}, "frequent": {"BLEU-4": 0.01}})
    row, other = (next(line for line in text.splitlines() if name in line) for name in ("soft [4.2]", "frequent"))
    assert row.replace("│", " ").split() == ["soft", "[4.2]", "36.5", "117.8"]
    assert other.replace("│", " ").split() == ["frequent", "1.0", "-"]
    assert PROTOCOL.signature() in " ".join(text.split())
    assert "x100" in text


def test_a_table_prints_numbers_of_words_as_they_are():
    assert set(variety({1: "a dog"})) > AS_THEY_ARE
    row = printed({"soft": {"words used": 1234.0, "mean length": 9.26, "novel": 0.5}}).splitlines()
    assert next(line for line in row if "soft" in line).split() == ["soft", "1,234.0", "9.3", "50.0"]


def test_scores_are_saved_in_their_own_scale_with_their_protocol(tmp_path):
    path = tmp_path / "run" / "scores.json"
    save_scores(path, {"CIDEr-D": 1.178}, PROTOCOL)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["scores"] == {"CIDEr-D": 1.178}
    assert Protocol(**stored["protocol"]) == PROTOCOL
    assert stored["signature"] == PROTOCOL.signature()


def test_a_score_that_is_not_a_number_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_scores(tmp_path / "scores.json", {"CIDEr-D": float("nan")}, PROTOCOL)
    assert list(tmp_path.iterdir()) == []


def test_results_are_saved_in_coco_format(tmp_path):
    path = tmp_path / "results.json"
    save_results(path, {139: "a café", "x": ""})
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored == [{"image_id": 139, "caption": "a café"}, {"image_id": "x", "caption": ""}]


@pytest.mark.parametrize(
    "compute",
    [lambda: most_frequent_caption({1: ["."]}), lambda: count_references({})],
    ids=["most_frequent_caption", "count_references"],
)
def test_there_is_no_count_and_no_baseline_of_nothing(compute):
    with pytest.raises(UserError, match="got none"):
        compute()


def test_an_unknown_rule_is_named():
    with pytest.raises(UserError, match="got 'ptb3'"):
        most_frequent_caption(TRAINING, "ptb3")


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("first\n", "second é\r\n"):
        write_text_atomically(path, text)
        assert path.read_bytes().decode() == text
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, failing):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        write_text_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text_atomically(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
