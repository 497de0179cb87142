"""Settings and run folders of the previous version: earlier names work, with one note of the new name."""

from __future__ import annotations

from pathlib import Path

import pytest

import captioner
from captioner import builder
from captioner.builder.renamed import RENAMED
from captioner.errors import UserError
from tests.helpers import CONFIGS, DRAWN

OLD_RUN = Path(__file__).parent / "old_run"
"""Written by the previous version: configs/drawn.yaml with tests/helpers.py's tiny sizes and one epoch."""
CAPTION = " ".join(["triangle", "the", "triangle", "the", *["triangle"] * 21])
"""What the previous version writes with that run about the first validation picture, greedily."""
NAMES = [(section, old, new) for section, names in RENAMED.items() for old, new in names.items()]
VALUES = {"watch": "ROUGE-L", "average": 0.9, "looks": "before", "most": 12, "fewest": 2}
KIND = ["encoder.kind=detector"]


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
