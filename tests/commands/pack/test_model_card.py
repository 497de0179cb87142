"""A model card: what was said of the training data and what the author wrote stay, whoever writes the card again."""

from __future__ import annotations

import json
import shutil

import pytest

from captioner import metrics
from captioner.commands.pack import card, pack
from captioner.errors import UserError
from captioner.metrics.protocol import Protocol
from captioner.training.checkpoints import BEST, load_checkpoint, save_checkpoint
from tests.builder.test_renamed import OLD_RUN

BIRDS = "our photos | of birds"


@pytest.fixture
def trained(tmp_path):
    """A run whose card its author has completed."""
    run = shutil.copytree(OLD_RUN, tmp_path / "trained")
    path = card(run, "our photos |\nof birds")
    path.write_text(path.read_text(encoding="utf-8") + "\nWritten by the author.\n", encoding="utf-8")
    (run / "sheet.png").write_bytes(b"drawn")
    return run


def test_the_names_of_the_training_data_and_the_authors_text_stay(trained, tmp_path):
    card(trained)
    packed = tmp_path / "packed"
    pack(trained, packed, photos=False)
    for text in ((folder / "README.md").read_text(encoding="utf-8") for folder in (trained, packed)):
        assert "| trained on | our photos \\| of birds |\n" in text
        assert text.endswith("\nWritten by the author.\n")
        assert "![Captions with their attention maps](sheet.png)" in text
    assert (packed / "sheet.png").read_bytes() == b"drawn"
    assert trained_on(packed) == BIRDS


def test_the_picture_of_a_packed_model_is_of_the_run_that_was_packed_last(trained, tmp_path):
    packed, other = tmp_path / "packed", shutil.copytree(OLD_RUN, tmp_path / "other")
    pack(trained, packed, photos=False)
    for picture in (b"drawn again", b"of the other"):
        run = other if picture == b"of the other" else trained
        (run / "sheet.png").write_bytes(picture)
        pack(run, packed, photos=False)
        assert (packed / "sheet.png").read_bytes() == picture
    (other / "sheet.png").unlink()
    pack(other, packed, photos=False)  # the weights of both are the same
    assert (packed / "sheet.png").read_bytes() == b"of the other"
    tensors, state = load_checkpoint(other / BEST)
    save_checkpoint(other / BEST, {name: 2 * tensor for name, tensor in tensors.items()}, state)
    pack(other, packed, photos=False)
    assert not (packed / "sheet.png").exists()
    assert "sheet.png)" not in (packed / "README.md").read_text(encoding="utf-8")


def test_a_card_of_a_packed_model_says_the_same_as_the_model(trained, tmp_path):
    packed = tmp_path / "packed"
    pack(trained, packed, photos=False)
    card(packed, "cats")
    card(packed)
    assert trained_on(packed) == "cats"
    assert "| trained on | cats |" in (packed / "README.md").read_text(encoding="utf-8")


def test_the_mark_names_no_command_and_that_of_earlier_cards_is_recognised(trained):
    path = trained / "README.md"
    text = path.read_text(encoding="utf-8")
    mark = "<!-- The lines from here to the next mark are written by captioner. -->"
    assert text.count(mark) == 1
    path.write_text(text.replace("written by captioner.", "written by `captioner pack`."), encoding="utf-8")
    card(trained)
    now = path.read_text(encoding="utf-8")
    assert now.count(mark) == 1
    assert "`captioner pack`" not in now
    assert now.endswith("\nWritten by the author.\n")


def test_a_card_of_something_else_is_an_error_before_anything_is_written(trained, tmp_path):
    (trained / "README.md").write_text("My notes.\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"trained/README\.md lacks the marks"):
        pack(trained, tmp_path / "packed", photos=False)
    assert not (tmp_path / "packed").exists()


def test_scores_of_an_ensemble_are_not_those_of_the_model(trained):
    for folder, models, score in (("val", "", 0.25), ("val-with-other", f"mean of {trained} and other", 0.75)):
        (trained / folder).mkdir()
        protocol = Protocol("val", 5, "5", "ptb", "greedy", models=models)
        metrics.save_scores(trained / folder / "scores.json", {"this model": {"CIDEr-D": score}}, protocol)
    text = card(trained).read_text(encoding="utf-8")
    assert "25.0" in text
    assert "75.0" not in text
    assert str(trained.parent) not in text


def trained_on(packed):
    return json.loads((packed / "about.json").read_text(encoding="utf-8"))["trained_on"]
