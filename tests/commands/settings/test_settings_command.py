"""`captioner settings` lists every setting that a config may have, and the page in docs/ is the same text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from captioner import builder, cli
from captioner.builder.renamed import RENAMED, note_once
from captioner.builder.schema import TABLES
from captioner.commands import settings as command
from captioner.commands.settings.setting_values import values_of
from captioner.errors import UserError
from captioner.ranges import Fraction, NonNegative, Positive, Probability, Share, Size
from tests.cli.test_cli import run
from tests.helpers import CONFIGS, DRAWN

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
EXPERIMENTS = sorted(CONFIGS.glob("*.yaml"))


def test_the_page_is_what_the_command_prints(capsys):
    assert run(capsys, cli.settings, "--markdown")[1] == PAGE.read_text(encoding="utf-8"), (
        "docs/settings.md is out of date; run: python -m captioner settings --markdown > docs/settings.md"
    )


def test_every_setting_has_values_a_default_and_a_meaning():
    settings = [setting for group in command.groups() for setting in group.settings]
    assert len(settings) > 100
    assert [one.key for one in settings if not (one.values and one.default and one.meaning)] == []
    assert [group.name for group in command.groups() if len(group.summary) < 5] == []


def test_every_meaning_stands_alone():
    """No bare letter of an equation, and no reference to text that the list does not show."""
    settings = [setting for group in command.groups() for setting in group.settings]
    bare = re.compile(r"(?:[A-Za-z]|lambda)(?:[,;:].*)?|.*\bsee (?:above|`).*")
    assert [(one.key, one.meaning) for one in settings if bare.fullmatch(one.meaning)] == []
    assert [one.key for one in settings if len(one.meaning.split()) < 2] == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_key_of_a_resolved_config_is_listed(path):
    listed = {setting.key for group in command.groups() for setting in group.settings}
    settings = builder.read(path, ["data.kind=drawn", "encoder.kind=small_cnn"] if path.stem == "base" else [])
    assert {f"{section}.{key}" for section, values in settings.resolved.items() for key in values} <= listed


def test_every_kind_is_listed():
    names = {group.name for group in command.groups()}
    assert {f"{section}.kind={kind}" for section, table in TABLES.items() for kind in table} <= names


def test_listed_defaults_are_those_that_are_used():
    defaults = {setting.key: setting.default for group in command.find("run") for setting in group.settings}
    used = builder.read(DRAWN, ["run.epochs=20"]).run
    assert defaults["run.patience"] == str(used.patience)
    assert defaults["run.monitor"] == used.monitor


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("run", ["run.epochs", "integer, 1 or more"]),
        ("run.monitor", ["BLEU-4", "CIDEr-D"]),
        ("attention.kind=soft", ["attention.score=additive", "attention.size"]),
        ("attention.score=concat", ["attention.size"]),
        ("decoder.kind=att2in", ["decoder.context_to", "candidate or gates"]),
        ("encoder.kind=resnet50", ["encoder.train_from"]),
        ("attention.heads", ["attention.kind=multi_head"]),
    ],
)
def test_a_part_of_the_list_is_printed(capsys, name, printed):
    status, output, _ = run(capsys, cli.settings, name)
    assert status == 0
    assert all(text in output for text in printed)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("rum", "unknown section 'rum'; did you mean 'run'?"),
        ("run.epoch", "no setting run.epoch; did you mean 'epochs'?"),
        ("attention.kind=sotf", "got 'sotf'; did you mean 'soft'?"),
        ("attention.score=dto", "no attention.score=dto; did you mean 'dot'?"),
        ("run.epochs=3", "captioner settings takes section.kind=name, got run.epochs=3"),
    ],
)
def test_an_unknown_name_is_answered_with_a_suggestion(capsys, name, complaint):
    status, _, errors = run(capsys, cli.settings, name)
    assert status == 2
    assert complaint in errors
    assert len(errors.splitlines()) == 1


def test_ranges_in_words():
    ranges = [Size, NonNegative, Positive, Fraction, Probability, Share]
    assert [values_of(annotation) for annotation in ranges] == [
        "integer, 1 or more",
        "number, 0 or more",
        "number, above 0",
        "number, 0 to below 1",
        "number, 0 to 1",
        "number, above 0 to 1",
    ]


@pytest.mark.parametrize("command", [cli.train])
def test_the_help_of_training_names_the_list(command):
    assert "captioner settings" in command.__doc__


@pytest.mark.parametrize(
    ("section", "old", "new"), [(section, *pair) for section, names in RENAMED.items() for pair in names.items()]
)
def test_an_earlier_name_shows_the_setting_under_its_new_name(section, old, new, capsys):
    note_once.cache_clear()
    assert command.find(f"{section}.{old}") == command.find(f"{section}.{new}")
    assert capsys.readouterr().err == f"note: {section}.{old} is now called {section}.{new}\n"


@pytest.mark.parametrize("key", ["enters", "candidate"])
def test_a_setting_that_became_a_kind_names_the_kind(key):
    with pytest.raises(UserError, match=r"was removed; see captioner settings decoder\.kind=att2in"):
        command.find(f"decoder.{key}")
