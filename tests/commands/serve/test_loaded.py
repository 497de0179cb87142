"""What `captioner serve` says at its start."""

from __future__ import annotations

import shutil

import pytest

from captioner import builder
from captioner.builder.loading import NATURAL, PRETRAINED
from captioner.commands.serve import Service
from captioner.commands.serve.loaded import loaded, terms_of
from tests.builder.test_renamed import OLD_RUN


def test_the_model_its_folder_the_device_and_the_terms_are_said(tmp_path):
    folder = shutil.copytree(OLD_RUN, tmp_path / "mine")
    service = Service(folder, builder.load(folder, device="cpu"))
    lines = loaded(service)
    assert lines[0] == f"loaded: mine from {folder}"
    assert lines[1].startswith("parts: encoder small_cnn, attention additive soft, decoder lstm, ")
    assert lines[2:] == ["computes on cpu in float32"]
    (folder / "README.md").write_text(
        "# mine\n\n## Data and terms\n\n**Our own birds**:\nfree for\nall. More.\n\n## Bias\n"
    )
    assert loaded(service)[3] == f"terms: Our own birds: free for all (more in {folder / 'README.md'})"


@pytest.mark.parametrize("card", ["", "# x\n", "## Data and terms\n\n| a | b |\n", "## Data and terms"])
def test_a_card_without_terms_gives_none(tmp_path, card):
    (tmp_path / "README.md").write_text(card)
    assert terms_of(tmp_path / "README.md") == ""


def test_the_terms_of_the_bundled_model_are_in_its_card():
    terms = terms_of(PRETRAINED / NATURAL / "README.md")
    assert terms == "For non-commercial research and education: these are Flickr8k's terms"
