"""Attention and gradients are two accounts of the same caption: each has a map of sum 1 for each word and says what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from captioner.commands import caption as captioning
from captioner.commands.caption.accounts import ACCOUNTS, account_notes, accounts_of
from captioner.errors import UserError
from captioner.visualize.overlay import Style
from tests.commands.caption.test_photos import captioner, photos  # noqa: F401  (fixtures)


def test_every_account_has_a_map_for_each_word(captioner, photos):  # noqa: F811
    photo = photos / "plain.jpg"
    caption = captioner.caption(photo)
    accounts = accounts_of(captioner, photo, caption, attention=True)
    assert list(accounts) == list(ACCOUNTS)
    assert torch.equal(accounts["attention"].weights, caption.weights)
    for name in list(ACCOUNTS)[1:]:
        weights = accounts[name].weights
        assert weights.shape == caption.weights.shape
        assert (weights >= 0).all()
        sums = weights.sum(1)
        assert all(float(value) == pytest.approx(1, abs=1e-5) or float(value) == 0 for value in sums)
        assert accounts[name].words == caption.words
    assert list(accounts_of(captioner, photo, caption, attention=False)) == list(ACCOUNTS)[1:]


def test_notes_say_what_an_account_is_and_where_it_differs_most(captioner, photos):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    regions = caption.layout.num_regions
    attention, other = torch.zeros(2, 2, regions)
    attention[:, 0], other[0, 0], other[1, 1] = 1, 1, 1
    words = {"words": ["red", "star"], "word_log_probs": torch.zeros(2)}
    accounts = {
        "attention": replace(caption, weights=attention, **words),
        "Grad-CAM": replace(caption, weights=other, **words),
    }
    notes = account_notes(accounts, Style())
    assert notes["Grad-CAM"].endswith("differs most from attention at 'star', by 100% of the weight")
    assert "not why it chose the word; it attended" in notes["attention"]


def test_a_sheet_of_both_accounts_is_written(captioner, photos, tmp_path):  # noqa: F811
    path = tmp_path / "both.png"
    names = [str(photos / "plain.jpg")]
    assert captioning.run(captioner, names, {"sheet": path, "strip": tmp_path / "s.png"}, explain="both") == 0
    with Image.open(path) as saved:
        assert saved.text["accounts"] == "attention, gradient x input, Grad-CAM"
    assert (tmp_path / "s.png").exists()


def test_an_ensemble_has_no_gradients(captioner, photos, tmp_path):  # noqa: F811
    several = replace(captioner, model=torch.nn.Identity())
    with pytest.raises(UserError, match="takes the gradients of one model, got an ensemble"):
        captioning.run(several, [str(photos / "plain.jpg")], {"sheet": tmp_path / "a.png"}, explain="both")
    assert not list(tmp_path.glob("a.png"))
