"""Scores are printed and saved with their protocol and their baselines."""

import io
import json
import os
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from captioner import __version__, files
from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.metrics import (
    Protocol,
    count_references,
    dashes,
    differences_table,
    grouped,
    most_frequent_caption,
    save_results,
    save_scores,
    score,
    scorers,
    table,
    variety,
)
from captioner.metrics.protocol import GROUPS
from captioner.metrics.units import WORD_COUNTS, unit_of
from captioner.text.tokens import TOKENS

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


def printed(rows, protocol=PROTOCOL, intervals=None, width=300) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(rows, protocol, intervals))
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
def test_tokenising_a_tokenised_caption_changes_nothing(tokens, text):
    words = TOKENS[tokens](text)
    assert TOKENS[tokens](" ".join(words)) == words


def test_the_most_frequent_caption_is_given_as_it_was_written():
    """Tokenising twice would change brackets, which `ptb` writes as -lrb-."""
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
    assert set(variety({1: "a dog"})) > WORD_COUNTS
    lines = printed({"soft": {"words used": 1234.0, "mean length": 9.26, "novel": 0.5}}).splitlines()
    words = [line.split() for line in lines]
    assert ["soft", "1,234", "9.3"] in words
    assert ["soft", "50.0"] in words
    assert ["words", "words", "used", "mean", "length"] in words
    assert ["x100", "novel"] in words


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0])
def test_all_scores_of_a_table_are_of_its_unit(group):
    assert unit_of(group) in ("x100", "words")


def test_a_table_of_two_units_is_refused():
    with pytest.raises(ValueError, match=r"needs metrics of one unit, got \{'novel': 'x100', 'mean length': 'words'\}"):
        unit_of(["novel", "mean length"])
    with pytest.raises(ValueError, match="got none"):
        unit_of([])


def test_a_line_below_the_tables_says_what_a_dash_means():
    rows = {"soft": {"CIDEr-D": 1.0, "METEOR": 0.3}, "frequent": {"CIDEr-D": 0.5}, "nearest": {"CIDEr-D": 0.7}}
    java = "- means not scored: METEOR of frequent, nearest (Java programs are slow, and run for models only)"
    assert dashes(rows) == [java]
    assert java in printed(rows, width=200)
    assert dashes({"soft": {"CIDEr-D": 1.0}}) == []
    assert dashes({"soft": {"CIDEr-D": 1.0}, "mine": {"mine": 1.0}}) == [
        "- means not scored: CIDEr-D of mine", "- means not scored: mine of soft"
    ]  # fmt: skip


def test_half_an_interval_stands_below_its_value_unless_it_prints_as_nothing():
    rows = {"soft": {"BLEU-4": 0.3649, "CIDEr-D": 1.178, "ROUGE-L": 0.5}}
    intervals = {"soft": {"BLEU-4": (0.355, 0.375), "ROUGE-L": (0.49999, 0.50001)}}
    lines = [line.split() for line in printed(rows, intervals=intervals).splitlines()]
    assert ["soft", "36.5", "117.8", "50.0"] in lines
    assert ["±1.0"] in lines


def test_each_group_of_scores_has_a_table_and_rows_without_any_are_not_in_it():
    rows = {"soft": {"CIDEr-D": 1.0, "bad ending": 0.1, "CHAIR_i": 0.2, "mine": 0.3}, "frequent": {"CIDEr-D": 0.5}}
    assert grouped(rows) == [
        {"soft": {"CIDEr-D": 1.0, "mine": 0.3}, "frequent": {"CIDEr-D": 0.5}},
        {"soft": {"bad ending": 0.1}},
        {"soft": {"CHAIR_i": 0.2}},
    ]


def test_no_number_is_cut_off_in_a_terminal_of_80_columns():
    names = ("this model", "20 nearest photos")
    rows = {name: dict.fromkeys([metric for group in GROUPS for metric in group], 9.876) for name in names}
    intervals = {name: dict.fromkeys(rows[name], (9.1, 9.9)) for name in names}
    text = printed(rows, intervals=intervals, width=80)
    num_shares = len(rows["this model"]) - len(WORD_COUNTS)
    assert text.count("987.6") == text.count("±40.0") == 2 * num_shares
    assert text.count("this model") == text.count("20 nearest photos") == len(GROUPS)


def test_a_table_of_differences_prints_signs_and_both_ends():
    rows = {"one.json": {"CIDEr-D": 1.2, "mean length": 9.0}, "other.json": {"CIDEr-D": 1.0, "mean length": 9.5}}
    differences = {"CIDEr-D": (0.2, -0.05, 0.45), "mean length": (-0.5, -0.7, -0.3)}
    console = Console(file=io.StringIO(), width=80)
    console.print(differences_table("one.json", "other.json", rows, differences))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["CIDEr-D,", "x100", "120.0", "100.0", "+20.0", "-5.0", "to", "+45.0"] in lines
    assert ["mean", "length,", "words", "9.0", "9.5", "-0.5", "-0.7", "to", "-0.3"] in lines


def test_a_protocol_names_the_java_programs_that_were_run():
    assert scorers(["CIDEr-D"]) == scorers()
    assert "METEOR 1.5 of pycocoevalcap 1." in scorers(["METEOR"])
    assert "METEOR 1.5 and SPICE 1.0 of pycocoevalcap" in scorers(["METEOR", "SPICE"])
    assert f"captioner {__version__}" in scorers()


def test_intervals_and_differences_are_saved_beside_the_scores(tmp_path):
    row, intervals = {"m": {"CIDEr-D": 1.178}}, {"m": {"CIDEr-D": (1.1, 1.2)}}
    save_scores(tmp_path / "scores.json", row, PROTOCOL, intervals, {"CIDEr-D": (0.1, 0.0, 0.2)})
    stored = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert stored["intervals"] == {"m": {"CIDEr-D": [1.1, 1.2]}}
    assert stored["differences"] == {"CIDEr-D": [0.1, 0.0, 0.2]}
    assert "1,000 resamples of photos (seed 0), document frequencies fixed" in stored["signature"]


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
