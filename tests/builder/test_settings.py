"""Settings as typed records."""

from __future__ import annotations

import pytest
import yaml

from captioner import builder
from captioner.errors import UserError
from tests.helpers import CONFIGS, DRAWN

EXPERIMENTS = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != "base")


def test_a_record_has_the_keys_of_its_section():
    settings = builder.read(DRAWN, ["run.seed=3", "data.min_count=2", "encoder.width=4"])
    assert (settings.run.seed, settings.data.min_count, settings.encoder.options["width"]) == (3, 2, 4)
    assert "min_count" not in settings.data.options
    assert settings.resolved["run"]["seed"] == 3


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_saved_settings_are_read_as_the_same(path, tmp_path):
    settings = builder.read(path)
    (tmp_path / "settings.yaml").write_text(builder.save_settings(settings), encoding="utf-8")
    again = builder.read(tmp_path / "settings.yaml")
    assert again == settings
    assert list(again.resolved) == list(settings.resolved) == list(yaml.safe_load(builder.save_settings(settings)))


def test_sections_by_name_as_in_earlier_notebooks_still_work():
    settings = builder.read(DRAWN)
    with pytest.warns(DeprecationWarning, match=r"use settings\.run\.seed"):
        assert settings["data"]["root"] == settings.data.options["root"]


@pytest.mark.parametrize(
    "read",
    [
        lambda settings: dict(settings)["run"]["seed"],
        lambda settings: {name: section["seed"] for name, section in settings.items() if name == "run"}["run"],
        lambda settings: settings.get("run", {})["seed"] if "run" in settings and "nothing" not in settings else None,
        lambda settings: dict.fromkeys(settings.keys(), settings["run"]["seed"])["log"],
    ],
    ids=["dict", "items", "get", "keys"],
)
def test_settings_can_be_read_as_a_dict_for_one_more_release(read):
    settings = builder.read(DRAWN)
    with pytest.warns(DeprecationWarning, match="resolved") as heard:
        assert read(settings) == settings.run.seed
    assert {warning.filename for warning in heard} == {__file__}


def test_the_deprecated_form_cannot_change_what_is_saved_alone():
    settings = builder.read(DRAWN)
    with (
        pytest.warns(DeprecationWarning, match=r"use settings\.run\.seed"),
        pytest.raises(TypeError, match="does not support item assignment"),
    ):
        settings["run"]["device"] = "cuda:7"  # pyright: ignore[reportIndexIssue]
    assert settings.resolved["run"]["device"] == settings.run.device


@pytest.mark.parametrize(
    "section", ["encoder", "attention", "decoder", "objective", "optimiser", "schedule", "search", "data"]
)
@pytest.mark.parametrize("kind", ["[a]", "{a: 1}", "3", "2024-01-01"])
def test_a_kind_that_is_no_text_is_named(section, kind):
    with pytest.raises(UserError, match=rf"^{section}\.kind should be"):
        builder.read(DRAWN, [f"{section}.kind={kind}"])


@pytest.mark.parametrize("value", ["hello", "3", "[1]"])
def test_a_section_that_holds_no_settings_is_an_error_with_an_override_too(value, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        f"base: {CONFIGS / 'base.yaml'}\ndata: {{kind: drawn}}\nencoder: {{kind: small_cnn}}\nrun: {value}\n",
        encoding="utf-8",
    )
    for overrides in ([], ["run.epochs=1"]):
        with pytest.raises(UserError, match="run should"):
            builder.read(path, overrides)


def test_processes_that_read_photos_are_few():
    with pytest.raises(UserError, match=r"run\.workers should be less than or equal to 256, got 100000"):
        builder.read(DRAWN, ["run.workers=100000"])


@pytest.mark.parametrize(
    ("change", "section", "kept"),
    [
        ("decoder.kind=top_down", "decoder", {"hidden_size": 320, "word_size": 256, "dropout": 0.35}),
        ("decoder.kind=transformer", "decoder", {"hidden_size": 320, "dropout": 0.1}),
        ("attention.kind=multi_head", "attention", {"size": 256}),
        ("attention.score=scaled_dot", "attention", {"size": 256}),
        ("attention.kind=local_predictive", "attention", {"size": 256, "score": "additive"}),
    ],
)
def test_an_override_of_a_kind_keeps_the_keys_that_the_new_kind_has_too(change, section, kept):
    resolved = builder.read(CONFIGS / "flickr8k_lite.yaml", [change]).resolved[section]
    assert kept.items() <= resolved.items()  # but for the dropout of a transformer, whose default is its own
    assert "gate" not in builder.read(CONFIGS / "flickr8k_lite.yaml", ["decoder.kind=top_down"]).resolved["decoder"]


def test_a_config_that_changes_a_kind_of_its_base_keeps_the_keys_that_the_new_kind_has_too(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: base.yaml\ndata: {kind: drawn}\nencoder: {kind: small_cnn}\ndecoder: {kind: top_down}\nattention: {kind: multi_head}\n"
    )
    (tmp_path / "base.yaml").write_text(
        "decoder: {kind: lstm, word_size: 40}\nattention: {kind: soft, score: additive, size: 40}\n"
    )
    settings = builder.read(path)
    assert settings.resolved["decoder"]["word_size"] == settings.resolved["attention"]["size"] == 40


@pytest.mark.parametrize("override", ["data.leave_out=", "data.leave_out=''"])
def test_nothing_after_the_equals_sign_is_empty_text(override):
    assert builder.read(DRAWN, ["data.leave_out=copies.txt", override]).data.leave_out == ""
