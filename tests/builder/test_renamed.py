"""Settings and run folders of the previous version: earlier names work, with one note of the new name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import captioner
from captioner import builder
from captioner.builder.renamed import RENAMED, note_once
from captioner.errors import UserError
from tests.helpers import CONFIGS, DRAWN

OLD_RUN = Path(__file__).parent / "old_run"
"""Written by the previous version: configs/drawn.yaml with tests/helpers.py's tiny sizes and one epoch."""
CAPTION = " ".join(["triangle", "the", "triangle", "the", *["triangle"] * 21])
"""What the previous version writes with that run about the first validation picture, greedily."""
NAMES = [(section, old, new) for section, names in RENAMED.items() for old, new in names.items()]
VALUES = {"watch": "ROUGE-L", "average": 0.9, "looks": "before", "most": 12, "fewest": 2}
KIND = ["encoder.kind=detector"]
ATT2IN = ["decoder.enters=candidate", "decoder.candidate=maxout", "decoder.output=state", "decoder.gate=none"]
ATT2IN += ["decoder.attend=before"]


@pytest.fixture(autouse=True)
def _notes_are_printed_again():
    note_once.cache_clear()


@pytest.mark.parametrize(("section", "old", "new"), NAMES)
def test_an_override_under_its_earlier_name_works_with_one_note(section, old, new, capsys):
    settings = builder.read(DRAWN, [*KIND, f"{section}.{old}={VALUES[old]}"])
    assert settings.resolved[section][new] == VALUES[old]
    assert capsys.readouterr().err == f"note: {section}.{old} is now called {section}.{new}\n"


@pytest.mark.parametrize(("section", "old", "new"), NAMES)
def test_a_config_with_an_earlier_name_works_with_one_note(section, old, new, capsys, tmp_path):
    kind = "kind: detector, " if section == "encoder" else ""
    text = f"base: {CONFIGS / 'base.yaml'}\n{section}: {{{kind}{old}: {VALUES[old]}}}\n"
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    settings = builder.read(tmp_path / "config.yaml", ["data.kind=drawn", *KIND] if not kind else ["data.kind=drawn"])
    assert settings.resolved[section][new] == VALUES[old]
    assert capsys.readouterr().err == f"note: {section}.{old} is now called {section}.{new}\n"


@pytest.mark.parametrize(("section", "old", "new"), NAMES)
def test_both_names_in_one_file_are_refused(section, old, new, tmp_path):
    values = f"{{{old}: {VALUES[old]}, {new}: {VALUES[old]}}}"
    (tmp_path / "config.yaml").write_text(f"{section}: {values}\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{section}\.{old} is now called {section}\.{new}, got both; remove {old}"):
        builder.read(tmp_path / "config.yaml")


def test_the_old_run_is_written_under_the_earlier_names():
    text = (OLD_RUN / "settings.yaml").read_text(encoding="utf-8")
    assert all(f"{old}: " in text for old in ("watch", "average", "looks", "enters", "candidate"))


def test_a_run_of_the_previous_version_captions_as_it_did(pictures, capsys):
    photo = min((pictures / "images").glob("val_*.png"))
    caption = captioner.load(OLD_RUN, device="cpu").caption(photo)
    assert caption.text == CAPTION
    assert caption.confidence == pytest.approx(0.0229591, abs=1e-5)
    assert capsys.readouterr().err == ""


def test_settings_of_a_run_of_the_previous_version_have_the_new_names():
    settings = builder.read_run_settings(OLD_RUN)
    assert (settings.run.monitor, settings.run.ema_decay) == ("CIDEr-D", 0.9)
    assert settings.decoder.options["attend"] == "after"
    assert not {"enters", "candidate", "looks"} & settings.decoder.options.keys()


@pytest.mark.parametrize(("section", "old", "new"), NAMES)
def test_overrides_under_both_names_are_refused(section, old, new):
    overrides = [*KIND, f"{section}.{old}={VALUES[old]}", f"{section}.{new}={VALUES[old]}"]
    for given in (overrides, [*KIND, *overrides[:0:-1]]):
        with pytest.raises(UserError, match=rf"{section}\.{old} is now called {section}\.{new}, got both"):
            builder.read(DRAWN, given)


def test_an_earlier_name_in_an_override_replaces_the_new_one_in_the_config(capsys):
    assert builder.read(DRAWN, ["run.watch=ROUGE-L"]).run.monitor == "ROUGE-L"


def test_a_note_is_printed_once_however_often_settings_are_read(capsys):
    for _ in range(3):
        builder.read(DRAWN, ["run.watch=ROUGE-L"])
    assert capsys.readouterr().err == "note: run.watch is now called run.monitor\n"


def test_only_the_first_process_prints_a_note(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    builder.read(DRAWN, ["run.watch=ROUGE-L"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("overrides", "given"),
    [
        (["encoder.most=5"], "'max_boxes' (formerly 'most')"),
        (["decoder.kind=transformer", "decoder.looks=after"], "'attend' (formerly 'looks')"),
    ],
)
def test_an_earlier_name_for_a_kind_without_it_is_named_in_the_error(overrides, given):
    with pytest.raises(UserError) as caught:
        builder.read(DRAWN, overrides)
    assert given in str(caught.value)


@pytest.mark.parametrize("key", ["enters=gates", "candidate=tanh"])
def test_keys_that_lost_their_meaning_are_named_once(key, capsys):
    builder.read(DRAWN, [f"decoder.{key}"])
    assert capsys.readouterr().err == f"note: decoder.kind=lstm now always has decoder.{key}; leave it out\n"


def test_att2in_keeps_the_sizes_of_the_lstm_under_its_earlier_and_its_new_name():
    new = builder.read(DRAWN, ["decoder.kind=att2in"])
    assert new.decoder == builder.read(DRAWN, ATT2IN).decoder
    assert new.decoder.options["word_size"] == builder.read(DRAWN).decoder.options["word_size"] != 512


@pytest.mark.parametrize(
    "changes",
    [
        {"enters": "candidate"},
        {"candidate": "maxout"},
        {"enters": "candidate", "candidate": "maxout", "looks": "after"},
        {"enters": "gates", "candidate": "maxout", "looks": "before", "output": "deep"},
        {"enters": "candidate", "candidate": "tanh", "looks": "before", "output": "state", "cell": "gru"},
    ],
    ids=lambda changes: "-".join(changes.values()),
)
def test_a_run_whose_decoder_is_gone_is_refused_with_the_version_that_reads_it(changes, tmp_path):
    settings = yaml.safe_load((OLD_RUN / "settings.yaml").read_text(encoding="utf-8"))
    settings["decoder"] |= changes
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(UserError, match=r"version 0\.1\.0 of captioner \(commit 23e3477\)") as caught:
        builder.read_run_settings(tmp_path)
    assert str(tmp_path) in str(caught.value)
